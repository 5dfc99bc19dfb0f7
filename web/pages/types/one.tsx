import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Confirm } from '../../design/confirm.js';
import { OwnId } from '../../design/ids.js';
import { Answered } from '../../design/notice.js';
import { Facts, PageOf, Sheet } from '../../design/page.js';
import { printSpan } from '../../design/clock.js';
import { Time } from '../../design/time.js';
import { say } from '../../design/toast.js';
import { usePart } from '../../design/url.js';
import { useApi, useChange, useWhyNot } from '../../service/queries.js';
import type { DeviceType, One } from '../../service/types.js';
import { Matrix } from '../artifacts/matrix.js';
import { TypeForm } from './form.js';
import { Versions } from './versions.js';

/** One device type: its slots, and what may go into them. */
export function Page(): ReactNode {
  const typeId = usePart('typeId');
  const path = `/v1/device-types/${typeId}`;
  const query = useApi<One<DeviceType>>(path, { about: ['device types'] });
  const type = query.data?.data;
  return (
    <PageOf
      title={type?.name ?? 'Device type'}
      above={<Link to="/types">Device types</Link>}
      actions={type ? <Actions of={type} path={path} /> : null}
    >
      <Answered query={query} lines={8}>
        {({ data }) => (
          <>
            <Sheet title="What it is">
              <Base of={data} />
            </Sheet>
            <Versions type={data} />
            <Matrix type={data} />
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function Base({ of }: { readonly of: DeviceType }): ReactNode {
  const slots = Object.entries(of.slots);
  return (
    <Facts
      of={[
        ['Id', <OwnId key="id" id={of.id} what="device type" />],
        ['Manufacturer', of.manufacturer],
        ['Model', of.model],
        ['Description', of.description],
        [
          'Slots',
          slots.length === 0
            ? 'none'
            : slots.map(([slot, { name, part }]) => (
                <div key={slot}>
                  <code>{slot}</code> {name}
                  {part === undefined ? '' : `, ${part} for clients of hawkBit`}
                </div>
              )),
        ],
        [
          'Silent after',
          of.communicationInterval === null ? 'not watched' : printSpan(of.communicationInterval * 1_000),
        ],
        [
          'Asks before it installs',
          of.confirmation === 'required' ? 'a person at the device, over hawkBit' : undefined,
        ],
        ['Categories', of.categories.length === 0 ? undefined : of.categories.join(', ')],
        [
          'Devices',
          <Link key="devices" to="/devices" search={{ filter: `deviceType==${of.id}` }}>
            all of this type
          </Link>,
        ],
        ['Created', <Time key="at" at={of.createdAt} />],
        ['Changed', of.updatedAt === of.createdAt ? undefined : <Time key="changed" at={of.updatedAt} />],
      ]}
    />
  );
}

function Actions({ of, path }: { readonly of: DeviceType; readonly path: string }): ReactNode {
  const navigate = useNavigate();
  const [changing, setChanging] = useState(false);
  const whyNot = useWhyNot('devicetypes:write');
  const remove = useChange<void>(() => ({ path, method: 'DELETE' }), ['device types', 'associations']);
  return (
    <>
      <Button whyNot={whyNot} onPress={() => setChanging(true)}>
        Change…
      </Button>
      <Confirm
        words="Delete"
        title={`Delete ${of.name}`}
        change={remove}
        whyNot={whyNot}
        onDone={() => {
          say('It is deleted.');
          void navigate({ to: '/types' });
        }}
      >
        <p>Its slots go, and what may go into them. It is refused while a device is of this type.</p>
      </Confirm>
      {changing ? (
        <TypeForm
          of={of}
          onClose={() => setChanging(false)}
          onDone={() => {
            setChanging(false);
            say('It is changed.');
          }}
        />
      ) : null}
    </>
  );
}
