import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Badge, OnlineBadge } from '../../design/badge.js';
import { ToThing } from '../../design/ids.js';
import { Answered } from '../../design/notice.js';
import { OwnId } from '../../design/ids.js';
import { Facts, PageOf, Sheet } from '../../design/page.js';
import { Ago, Time } from '../../design/time.js';
import { Tabs } from '../../design/tabs.js';
import { usePart, useUrl } from '../../design/url.js';
import { useApi } from '../../service/queries.js';
import type { Device, DeviceType, One } from '../../service/types.js';
import { Access } from './access.js';
import { Children } from './children.js';
import { Diagnostics } from './diagnostics.js';
import { Installations } from './installations.js';
import { Slots } from './slots.js';
import { TimelineOf } from './timeline.js';

const TABS = [
  ['', 'Timeline'],
  ['installations', 'Installations'],
  ['children', 'Children'],
  ['access', 'Credentials'],
  ['diagnostics', 'Diagnostics'],
  ['data', 'Data'],
] as const;

/** One device: what it holds, what it waits for and why, and what happened. */
export function Page(): ReactNode {
  const deviceId = usePart('deviceId');
  const device = useApi<One<Device>>(`/v1/devices/${deviceId}`, { about: [`device:${deviceId}`] });
  const { tab = '' } = useUrl();
  const info = device.data?.data;
  return (
    <PageOf
      title={info?.info.name ?? 'Device'}
      above={<Link to="/devices">Devices</Link>}
      beside={info ? <OnlineBadge online={info.online} /> : null}
    >
      <Answered query={device} lines={8}>
        {({ data }) => (
          <>
            <Base device={data} />
            <Slots deviceId={deviceId} deviceTypeId={data.info.deviceTypeId} />
            <Tabs label="Parts of the device" tabs={TABS} />
            {tab === '' ? <TimelineOf deviceId={deviceId} /> : null}
            {tab === 'installations' ? <Installations deviceId={deviceId} /> : null}
            {tab === 'children' ? <Children deviceId={deviceId} /> : null}
            {tab === 'access' ? <Access deviceId={deviceId} /> : null}
            {tab === 'diagnostics' ? <Diagnostics deviceId={deviceId} /> : null}
            {tab === 'data' ? <Data device={data} /> : null}
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function Base({ device }: { readonly device: Device }): ReactNode {
  const { info, connection } = device;
  const type = useApi<One<DeviceType>>(`/v1/device-types/${info.deviceTypeId}`, { about: ['device types'] }).data?.data;
  return (
    <Sheet>
      <div className="columns">
        <Facts
          of={[
            ['Id', <OwnId key="id" id={device.id} what="device" />],
            [
              'Type',
              <ToThing key="type" kind="type" id={info.deviceTypeId}>
                {type?.name ?? info.deviceTypeId}
              </ToThing>,
            ],
            ['Tags', info.tags.length === 0 ? undefined : <Tags key="tags" tags={info.tags} />],
            ['Also called', info.aliases.length === 0 ? undefined : info.aliases.join(', ')],
            ['Description', info.description],
          ]}
        />
        <Facts
          of={[
            [
              'Last heard',
              device.lastSeenAt === undefined ? 'never' : <LastHeard key="heard" at={device.lastSeenAt} />,
            ],
            [
              'Gateway',
              info.connectedBy === undefined ? undefined : <ToThing key="g" kind="device" id={info.connectedBy} />,
            ],
            [
              'Served by',
              connection?.node === undefined ? undefined : connection.node === device.id ? (
                'its own connection'
              ) : (
                <ToThing key="n" kind="device" id={connection.node} />
              ),
            ],
            [
              'Gateway says',
              connection?.reachable === undefined ? undefined : connection.reachable ? 'reachable' : 'not reachable',
            ],
            ['Program', device.agent === undefined ? undefined : `${device.agent.name} ${device.agent.version}`],
          ]}
        />
      </div>
    </Sheet>
  );
}

function LastHeard({ at }: { readonly at: string }): ReactNode {
  return (
    <>
      <Ago at={at} />{' '}
      <span className="quiet small">
        (<Time at={at} />)
      </span>
    </>
  );
}

function Tags({ tags }: { readonly tags: readonly string[] }): ReactNode {
  return (
    <span className="row">
      {tags.map((tag) => (
        <Link key={tag} to="/devices" search={{ filter: `tag==${tag}` }}>
          {tag}
        </Link>
      ))}
    </span>
  );
}

function Data({ device }: { readonly device: Device }): ReactNode {
  return (
    <Sheet title="Configuration, custom attributes and capabilities">
      <Badge tone="mute">as the service has it</Badge>
      <pre className="data" tabIndex={0} aria-label="The device as JSON">
        {JSON.stringify(device, undefined, 2)}
      </pre>
    </Sheet>
  );
}
