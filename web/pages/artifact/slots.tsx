import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ToThing } from '../../design/ids.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Search } from '../../design/search.js';
import { More, Table } from '../../design/table.js';
import { useUrlValue } from '../../design/url.js';
import { useApi, useList, useWhyNot } from '../../service/queries.js';
import type { DeviceType, Firmware, FirmwareUsage, One } from '../../service/types.js';
import { useAssociate } from '../artifacts/associations.js';
import { CellBox } from '../artifacts/cell.js';
import { artifactWords } from '../artifacts/state.js';

/** More types than this are found by a part of their name. */
const MANY = 10;

/** Which slots of which types may hold the artifact, and what to do next. */
export function Slots({ of }: { readonly of: Firmware }): ReactNode {
  const [q, setQ] = useUrlValue('q');
  const types = useList<DeviceType>('/v1/device-types', { q, sort: 'name' }, { about: ['device types'] });
  const usage = useApi<One<FirmwareUsage>>(`/v1/firmwares/${of.id}/usage`, {
    about: ['associations', `firmware:${of.id}`],
  });
  const isMany = q !== '' || (types.data?.meta.itemsTotal ?? 0) > MANY;
  return (
    <Sheet
      title="Which slots may hold it"
      aside={<span className="small quiet">Only into a slot that is marked it can be installed.</span>}
      flush
    >
      {isMany ? (
        <div className="filters within">
          <Search label="Part of the name of the type" value={q} onSearch={setQ} />
        </div>
      ) : null}
      <Answered
        query={types}
        isEmpty={({ rows }) => rows.length === 0}
        empty={
          <Notice title={q === '' ? 'No device type yet' : 'No device type has such a name'} within>
            <p>
              A type names the slots of its devices. <Link to="/types">Make a device type</Link>
            </p>
          </Notice>
        }
      >
        {({ rows }) => (
          <Answered query={usage}>
            {({ data }) => (
              <>
                <Rows firmware={of} types={rows} associations={data.associations} />
                <More of={types} />
                {data.associationsTotal > data.associations.length ? (
                  <p className="hint within">
                    {data.associationsTotal.toLocaleString('en')} slots may hold it; the marks of the first{' '}
                    {data.associations.length} are shown.
                  </p>
                ) : null}
                {data.associations.length > 0 ? <Next firmwareId={of.id} associations={data.associations} /> : null}
              </>
            )}
          </Answered>
        )}
      </Answered>
    </Sheet>
  );
}

function Rows({
  firmware,
  types,
  associations,
}: {
  readonly firmware: Firmware;
  readonly types: readonly DeviceType[];
  readonly associations: FirmwareUsage['associations'];
}): ReactNode {
  const whyNot = useWhyNot('devicetypes:write');
  const associate = useAssociate();
  const idOf = (typeId: string, slot: string): string | undefined =>
    associations.find((one) => one.deviceTypeId === typeId && one.slot === slot)?.id;
  return (
    <>
      {whyNot === undefined ? null : <p className="hint within">{whyNot}</p>}
      {associate.error ? <Fault error={associate.error} /> : null}
      <Table label="Which slots may hold it" columns={['Device type', 'Slots']}>
        {types.map((type) => (
          <tr key={type.id}>
            <th scope="row">
              <ToThing kind="type" id={type.id}>
                {type.name}
              </ToThing>
            </th>
            <td>
              <div className="row">
                {Object.entries(type.slots).map(([slot, { name }]) => {
                  const associationId = idOf(type.id, slot);
                  return (
                    <CellBox
                      key={slot}
                      label={`${name} of ${type.name} may hold ${artifactWords(firmware)}`}
                      isAllowed={associationId !== undefined}
                      isOff={whyNot !== undefined}
                      change={() =>
                        associate.mutateAsync({ typeId: type.id, slot, firmwareId: firmware.id, associationId })
                      }
                    >
                      {name}
                    </CellBox>
                  );
                })}
                {Object.keys(type.slots).length === 0 ? <span className="quiet">It has no slot.</span> : null}
              </div>
            </td>
          </tr>
        ))}
      </Table>
    </>
  );
}

function Next({
  firmwareId,
  associations,
}: {
  readonly firmwareId: string;
  readonly associations: FirmwareUsage['associations'];
}): ReactNode {
  const ids = [...new Set(associations.map(({ deviceTypeId }) => deviceTypeId))];
  const filter = ids.length === 1 ? `deviceType==${ids[0]}` : `deviceType=in=(${ids.join(',')})`;
  const [first] = associations;
  return (
    <p className="within">
      Next: open one of{' '}
      <Link to="/devices" search={{ filter }}>
        the devices that may hold it
      </Link>
      , and install it there. Then{' '}
      <Link to="/rollouts/new" search={first === undefined ? {} : { firmware: firmwareId, slot: first.slot, filter }}>
        a rollout
      </Link>{' '}
      brings it to all others.
    </p>
  );
}
