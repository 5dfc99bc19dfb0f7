import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { IdLink, ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { Search } from '../../design/search.js';
import { More, Table, Total } from '../../design/table.js';
import { Time } from '../../design/time.js';
import { useUrlValue } from '../../design/url.js';
import { useList, useWhyNot } from '../../service/queries.js';
import type { DeviceType } from '../../service/types.js';
import { TypeForm } from './form.js';

/** The kinds of devices, each with its slots. */
export function Page(): ReactNode {
  const navigate = useNavigate();
  const [q, setQ] = useUrlValue('q');
  const [add, setAdd] = useUrlValue('add');
  const list = useList<DeviceType>('/v1/device-types', { q, sort: 'name' }, { about: ['device types'] });
  const whyNot = useWhyNot('devicetypes:write');
  return (
    <PageOf
      title="Device types"
      beside={<Total of={list} />}
      actions={
        <>
          <Button onPress={() => void list.refetch()} busy={list.isRefetching}>
            Refresh
          </Button>
          <Button look="first" whyNot={whyNot} onPress={() => setAdd('yes')}>
            New type…
          </Button>
        </>
      }
    >
      <div className="filters">
        <Search label="Part of the name" value={q} onSearch={setQ} />
      </div>
      <Answered
        query={list}
        lines={6}
        isEmpty={({ rows }) => rows.length === 0}
        empty={
          q === '' ? (
            <Notice title="No device type yet">
              <p>A type says which slots its devices have. What may go into a slot is said for the type.</p>
            </Notice>
          ) : (
            <Notice title="No device type has such a name">
              <p>Change the name above.</p>
            </Notice>
          )
        }
      >
        {({ rows }) => (
          <Sheet flush>
            <Table label="Device types" columns={['Name', 'Manufacturer', 'Model', 'Slots', 'Created', 'Id']}>
              {rows.map((type) => (
                <tr key={type.id}>
                  <td>
                    <ToThing kind="type" id={type.id}>
                      {type.name}
                    </ToThing>
                  </td>
                  <td>{type.manufacturer}</td>
                  <td>{type.model}</td>
                  <td>{Object.keys(type.slots).join(', ') || <span className="quiet">none</span>}</td>
                  <td>
                    <Time at={type.createdAt} />
                  </td>
                  <td>
                    <IdLink kind="type" id={type.id} />
                  </td>
                </tr>
              ))}
            </Table>
            <More of={list} />
          </Sheet>
        )}
      </Answered>
      {add === '' ? null : (
        <TypeForm onClose={() => setAdd('')} onDone={({ id }) => void navigate({ to: `/types/${id}` })} />
      )}
    </PageOf>
  );
}
