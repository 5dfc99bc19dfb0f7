import { useState, type ReactNode } from 'react';
import { parseDuration } from '../../../domain/duration.js';
import { Button } from '../../design/button.js';
import { printSpan } from '../../design/clock.js';
import { Confirm } from '../../design/confirm.js';
import { ToThing } from '../../design/ids.js';
import { Answered } from '../../design/notice.js';
import { Facts, Sheet } from '../../design/page.js';
import { say } from '../../design/toast.js';
import { useApi, useChange, useWhyNot } from '../../service/queries.js';
import type { DeviceType, HawkbitSettings, One } from '../../service/types.js';
import { HAWKBIT, HawkbitForm } from './hawkbit-form.js';

/** What the tenant lets in over hawkBit's device interface. */
export function Hawkbit(): ReactNode {
  const query = useApi<One<HawkbitSettings>>(HAWKBIT, { about: ['settings'] });
  const [changing, setChanging] = useState(false);
  const whyNot = useWhyNot('settings:write');
  return (
    <Sheet
      title="Clients of hawkBit"
      aside={
        <Button whyNot={whyNot} onPress={() => setChanging(true)}>
          Change…
        </Button>
      }
    >
      <Answered query={query}>
        {({ data }) => (
          <>
            <Shown of={data} />
            {changing ? <HawkbitForm of={data} onClose={() => setChanging(false)} /> : null}
          </>
        )}
      </Answered>
    </Sheet>
  );
}

function Shown({ of }: { readonly of: HawkbitSettings }): ReactNode {
  const { pollingInterval, gatewayToken, registersAs, authorities } = of;
  const everyMs = parseDuration(pollingInterval);
  return (
    <Facts
      of={[
        ['Ask again after', everyMs === undefined ? pollingInterval : printSpan(everyMs)],
        ['Token of gateways', gatewayToken ? <Taken key="token" /> : 'none: each device has a token of its own'],
        ['Devices that appear', registersAs === null ? 'are refused' : <Registers key="type" typeId={registersAs} />],
        [
          'Authorities',
          authorities.length === 0 ? 'none: no header of a proxy lets a device in' : <List key="a" of={authorities} />,
        ],
      ]}
    />
  );
}

function Taken(): ReactNode {
  const whyNot = useWhyNot('settings:write');
  const remove = useChange<One<HawkbitSettings>>(
    () => ({ path: HAWKBIT, method: 'PATCH', body: { gatewayToken: null } }),
    ['settings'],
  );
  return (
    <span className="row">
      is set
      <Confirm
        words="Take it back"
        title="Take back the token of gateways"
        change={remove}
        whyNot={whyNot}
        onDone={() => say('It lets nothing in any more.')}
      >
        <p>Each client that sends this token is refused from now on.</p>
      </Confirm>
    </span>
  );
}

function Registers({ typeId }: { readonly typeId: string }): ReactNode {
  const type = useApi<One<DeviceType>>(`/v1/device-types/${typeId}`, { about: ['device types'] }).data?.data;
  return (
    <>
      are made as{' '}
      <ToThing kind="type" id={typeId}>
        {type?.name ?? typeId}
      </ToThing>
    </>
  );
}

function List({ of }: { readonly of: readonly string[] }): ReactNode {
  return (
    <ul>
      {of.map((one) => (
        <li key={one}>
          <code>{one}</code>
        </li>
      ))}
    </ul>
  );
}
