import { useState, type ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { Choice } from '../../design/field.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { More, Table } from '../../design/table.js';
import { Tabs } from '../../design/tabs.js';
import { Ago, Time } from '../../design/time.js';
import type { Tone } from '../../design/tones.js';
import { useUrlValue } from '../../design/url.js';
import { useApi, useList, useWhyNot, type Listed } from '../../service/queries.js';
import type { DeviceType, Enrolment, Page as PageOfList } from '../../service/types.js';
import { Announce } from './announce.js';
import { Decide } from './decide.js';
import { Tokens } from './tokens.js';

type State = Enrolment['state'];
const TONES = {
  pending: 'warn',
  preauthorised: 'mute',
  approved: 'busy',
  issued: 'ok',
  rejected: 'bad',
} as const satisfies Record<State, Tone>;
const WORDS: Readonly<Record<State, string>> = {
  pending: 'waits for approval',
  preauthorised: 'announced',
  approved: 'approved',
  issued: 'enrolled',
  rejected: 'rejected',
};
const SHOWN = [
  ['', 'All'],
  ...(['pending', 'preauthorised', 'approved', 'issued', 'rejected'] as const).map(
    (state) => [state, WORDS[state]] as const,
  ),
] as const;

/** Devices that came by themselves and wait for approval, and the tokens of their batches. */
export function Page(): ReactNode {
  const [tab] = useUrlValue('tab');
  const [announcing, setAnnouncing] = useState(false);
  const whyNot = useWhyNot('devices_base_data:write');
  return (
    <PageOf
      title="Enrolments"
      actions={
        <Button whyNot={whyNot} onPress={() => setAnnouncing(true)}>
          Announce a device…
        </Button>
      }
    >
      <Tabs
        label="Parts of the page"
        tabs={[
          ['', 'Devices'],
          ['tokens', 'Tokens'],
        ]}
      />
      {tab === 'tokens' ? <Tokens /> : <Devices />}
      {announcing ? <Announce onClose={() => setAnnouncing(false)} /> : null}
    </PageOf>
  );
}

function Devices(): ReactNode {
  const [chosen, setState] = useUrlValue('state');
  const state = SHOWN.find(([one]) => one === chosen)?.[0] ?? '';
  // No event names an enrolment.
  const list = useList<Enrolment>('/v1/enrolments', { state }, { about: ['enrolments'], everyMs: 10_000 });
  return (
    <>
      <div className="filters">
        <Choice<State | ''> label="State" value={state} options={SHOWN} onChoose={setState} />
      </div>
      <Answered
        query={list}
        lines={6}
        isEmpty={({ rows }) => rows.length === 0}
        empty={
          state === '' ? (
            <Notice title="No device has come by itself yet">
              <p>
                A device that knows a token makes a key of its own and asks for a certificate. Make a token for a batch,
                or announce a device by its serial number.
              </p>
            </Notice>
          ) : (
            <Notice title={state === 'pending' ? 'No device waits for approval' : 'No device is in this state'} />
          )
        }
      >
        {() => <Rows of={list} />}
      </Answered>
    </>
  );
}

function Rows({ of }: { readonly of: Listed<Enrolment> }): ReactNode {
  const types = useApi<PageOfList<DeviceType>>('/v1/device-types?pageSize=100&sort=name', { about: ['device types'] });
  const nameOf = (id: string): string => types.data?.data.find((type) => type.id === id)?.name ?? id.slice(0, 8);
  return (
    <Sheet flush>
      <Table
        label="Enrolments"
        columns={['Serial number', 'State', 'Type', 'Device', 'From', 'Asked', 'Decided', 'What to do']}
      >
        {of.data?.rows.map((one) => (
          <tr key={one.id}>
            <th scope="row">
              {one.serial}
              {one.aliases.length === 0 ? null : <div className="small quiet">{one.aliases.join(', ')}</div>}
            </th>
            <td>
              <Badge tone={TONES[one.state]}>{WORDS[one.state]}</Badge>
            </td>
            <td>
              <ToThing kind="type" id={one.deviceTypeId}>
                {nameOf(one.deviceTypeId)}
              </ToThing>
            </td>
            <td>{one.deviceId === undefined ? '' : <ToThing kind="device" id={one.deviceId} />}</td>
            <td>
              {one.address}
              {one.publicKey === undefined ? null : (
                <div className="small quiet nowrap" title={one.publicKey}>
                  key <code>{one.publicKey.slice(0, 12)}…</code>
                </div>
              )}
            </td>
            <td>
              <Ago at={one.createdAt} />
            </td>
            <td>
              {one.decidedAt === undefined ? null : (
                <>
                  <Time at={one.decidedAt} /> <div className="small quiet">{one.decidedBy}</div>
                </>
              )}
            </td>
            <td>{one.state === 'pending' ? <Decide of={one} /> : null}</td>
          </tr>
        ))}
      </Table>
      <More of={of} />
    </Sheet>
  );
}
