import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Choice } from '../../design/field.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { More, Table } from '../../design/table.js';
import { useUrlValue } from '../../design/url.js';
import { useApi, useList, useWhyNot } from '../../service/queries.js';
import type { DeviceType, Firmware, Page } from '../../service/types.js';
import { useAllowed, useAssociate, type Allowed } from './associations.js';
import { CellBox } from './cell.js';
import { artifactWords } from './state.js';

/** The matrix of a type that one chooses; which one stands in the address. */
export function MatrixOfTypes(): ReactNode {
  const [chosen, setChosen] = useUrlValue('type');
  const types = useApi<Page<DeviceType>>('/v1/device-types?pageSize=100&sort=name', { about: ['device types'] });
  return (
    <Answered
      query={types}
      isEmpty={({ data }) => data.length === 0}
      empty={
        <Notice title="No device type yet">
          <p>
            A type names the slots of its devices. <Link to="/types">Make a device type</Link>
          </p>
        </Notice>
      }
    >
      {({ data }) => {
        const type = data.find(({ id }) => id === chosen) ?? data[0];
        if (!type) return null;
        return (
          <>
            <div className="filters">
              <Choice
                label="Device type"
                value={type.id}
                options={data.map(({ id, name }) => [id, name] as const)}
                onChoose={setChosen}
              />
            </div>
            <Matrix type={type} />
          </>
        );
      }}
    </Answered>
  );
}

/** Artifacts as rows, slots of the type as columns: a mark says that it may be installed there. */
export function Matrix({ type }: { readonly type: DeviceType }): ReactNode {
  const allowed = useAllowed(type);
  const slots = Object.keys(type.slots);
  if (slots.length === 0)
    return (
      <Notice title="The type has no slot">
        <p>
          Nothing can be installed on its devices.{' '}
          <ToThing kind="type" id={type.id}>
            Add a slot
          </ToThing>
        </p>
      </Notice>
    );
  return <Answered query={allowed}>{(data) => <Grid type={type} allowed={data} />}</Answered>;
}

function Grid({ type, allowed }: { readonly type: DeviceType; readonly allowed: Allowed }): ReactNode {
  const list = useList<Firmware>('/v1/firmwares', { state: 'ready' }, { about: ['firmwares'] });
  const associate = useAssociate();
  const whyNot = useWhyNot('devicetypes:write');
  const slots = Object.entries(type.slots);
  return (
    <Answered
      query={list}
      isEmpty={({ rows }) => rows.length === 0}
      empty={
        <Notice title="No artifact is ready">
          <p>
            <Link to="/artifacts">Upload a file</Link>, then say here which slots may hold it.
          </p>
        </Notice>
      }
    >
      {({ rows }) => (
        <Sheet
          title={`What may go into the slots of ${type.name}`}
          aside={<span className="small quiet">Only what is marked can be installed.</span>}
          flush
        >
          {whyNot === undefined ? null : <p className="hint within">{whyNot}</p>}
          {associate.error ? <Fault error={associate.error} /> : null}
          <Table
            label="What may go where"
            columns={['Artifact', ...slots.map(([slot, { name }]) => words(slot, name))]}
          >
            {rows.map((one) => (
              <tr key={one.id}>
                <th scope="row">
                  <ToThing kind="firmware" id={one.id}>
                    {artifactWords(one)}
                  </ToThing>
                </th>
                {slots.map(([slot]) => {
                  const associationId = allowed[slot]?.[one.id];
                  return (
                    <td key={slot}>
                      <CellBox
                        label={`${artifactWords(one)} may go into ${slot}`}
                        isAllowed={associationId !== undefined}
                        isOff={whyNot !== undefined}
                        change={() =>
                          associate.mutateAsync({ typeId: type.id, slot, firmwareId: one.id, associationId })
                        }
                      />
                    </td>
                  );
                })}
              </tr>
            ))}
          </Table>
          <More of={list} />
        </Sheet>
      )}
    </Answered>
  );
}

function words(slot: string, name: string): string {
  return slot.toLowerCase() === name.toLowerCase() ? name : `${name} (${slot})`;
}
