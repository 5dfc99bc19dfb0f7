import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Fault, Notice, Skeleton } from '../../design/notice.js';
import { PageOf } from '../../design/page.js';
import { useUrlValue } from '../../design/url.js';
import { useWhyNot } from '../../service/queries.js';
import { AddDevice } from './add-device.js';
import { BulkBar } from './bulk-bar.js';
import { FacetList } from './facet-list.js';
import { FilterBox } from './filter-box.js';
import { Grid } from './grid.js';
import { useRows } from './rows.js';
import { NONE, type Selection } from './selection.js';

/** All devices, or those that a filter matches; what is done to many begins here. */
export function Page(): ReactNode {
  const [filter, setFilter] = useUrlValue('filter', true);
  const [sort, setSort] = useUrlValue('sort');
  const [add, setAdd] = useUrlValue('add');
  const { query, rows, meta } = useRows(filter, sort);
  const [selection, setSelection] = useState<Selection>(NONE);
  const [selectedIn, setSelectedIn] = useState(filter);
  // What was selected in another list is not what one sees.
  if (selectedIn !== filter) {
    setSelectedIn(filter);
    setSelection(NONE);
  }
  const whyNotAdd = useWhyNot('devices_base_data:write', 'devicetypes:read', 'device_certificates:write');
  const total = meta?.itemsTotal ?? 0;
  return (
    <PageOf
      title="Devices"
      beside={
        meta ? (
          <span className="quiet" role="status">
            {meta.itemsTotalExact === false ? 'about ' : ''}
            {total.toLocaleString('en')}
            {filter === '' ? '' : total === 1 ? ' matches' : ' match'}
          </span>
        ) : null
      }
      actions={
        <>
          <Button onPress={() => void query.refetch()} busy={query.isRefetching}>
            Refresh
          </Button>
          <Button look="first" whyNot={whyNotAdd} onPress={() => setAdd('yes')}>
            Add a device
          </Button>
        </>
      }
    >
      <FilterBox filter={filter} onFilter={setFilter} />
      {query.error && rows.length === 0 ? (
        <Fault error={query.error} again={() => void query.refetch()} />
      ) : query.isPending ? (
        <Skeleton lines={12} />
      ) : rows.length === 0 ? (
        <NoRows filter={filter} onClear={() => setFilter('')} />
      ) : (
        <div className="devices">
          <FacetList facets={meta?.facets ?? {}} filter={filter} onFilter={setFilter} />
          <div className="stack tight">
            <BulkBar selection={selection} total={total} filter={filter} onSelect={setSelection} />
            <Grid
              rows={rows}
              total={total}
              sort={sort}
              onSort={setSort}
              selection={selection}
              onSelect={setSelection}
              more={query.hasNextPage && !query.isFetchingNextPage ? () => void query.fetchNextPage() : undefined}
            />
          </div>
        </div>
      )}
      {add === '' ? null : <AddDevice onClose={() => setAdd('')} onAdded={() => void query.refetch()} />}
    </PageOf>
  );
}

function NoRows({ filter, onClear }: { readonly filter: string; readonly onClear: () => void }): ReactNode {
  if (filter === '')
    return (
      <Notice title="No device yet">
        <p>A device is added here, one by one, or many at once by an import over the API.</p>
      </Notice>
    );
  return (
    <Notice title="No device matches">
      <p>The filter is right as a sentence; no device is as it says.</p>
      <Button onPress={onClear}>Show all devices</Button>
    </Notice>
  );
}
