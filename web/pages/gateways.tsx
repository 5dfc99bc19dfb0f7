import type { ReactNode } from 'react';
import { OnlineBadge } from '../design/badge.js';
import { ToThing } from '../design/ids.js';
import { Answered, Notice } from '../design/notice.js';
import { PageOf, Sheet } from '../design/page.js';
import { useApi } from '../service/queries.js';
import { withQuery } from '../service/request.js';
import type { FullRow, Page as PageOfList, PageMeta } from '../service/types.js';
import { Children } from './device/children.js';
import type { Facets } from './devices/rows.js';

type Counted = PageOfList<FullRow, PageMeta & { readonly facets?: Facets }>;

/** The gateways that connect other devices, those with the most first, each with what its children wait for. */
export function Page(): ReactNode {
  const counts = useApi<Counted>(withQuery('/v1/devices', { fields: 'id', pageSize: 1, facets: 'connectedBy' }), {
    about: ['devices'],
  });
  return (
    <PageOf title="Gateways">
      <Answered
        query={counts}
        isEmpty={({ meta }) => gatewaysOf(meta.facets).length === 0}
        empty={
          <Notice title="No gateway yet">
            <p>A device whose connectedBy names another one is connected by it; that one is then a gateway.</p>
          </Notice>
        }
      >
        {({ meta }) => gatewaysOf(meta.facets).map(({ id, count }) => <Gateway key={id} id={id} count={count} />)}
      </Answered>
    </PageOf>
  );
}

function gatewaysOf(facets: Facets | undefined): { id: string; count: number }[] {
  return (facets?.['connectedBy'] ?? []).flatMap(({ value, count }) => (value === null ? [] : [{ id: value, count }]));
}

function Gateway({ id, count }: { readonly id: string; readonly count: number }): ReactNode {
  const path = withQuery('/v1/devices', { deviceId: id, fields: 'id,name,online' });
  const row = useApi<PageOfList<FullRow>>(path, { about: [`device:${id}`] }).data?.data[0];
  return (
    <Sheet
      title={row?.name ?? 'Gateway'}
      aside={
        <span className="row">
          {row?.online === undefined ? null : <OnlineBadge online={row.online} />}
          <ToThing kind="device" id={id}>
            {count === 1 ? 'one device' : `${count} devices`}
          </ToThing>
        </span>
      }
    >
      <details className="tree" open={count <= 20}>
        <summary>Its devices</summary>
        <Children deviceId={id} />
      </details>
    </Sheet>
  );
}
