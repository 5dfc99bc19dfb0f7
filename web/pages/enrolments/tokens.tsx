import { useState, type ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { Confirm } from '../../design/confirm.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { ShownOnce } from '../../design/shown-once.js';
import { More, Table } from '../../design/table.js';
import { Left, Time } from '../../design/time.js';
import { say } from '../../design/toast.js';
import type { Tone } from '../../design/tones.js';
import { useApi, useChange, useList, useWhyNot } from '../../service/queries.js';
import type { DeviceType, EnrolmentToken, EnrolmentTokenWithSecret, Page } from '../../service/types.js';
import { MakeToken } from './make-token.js';

type State = EnrolmentToken['state'];
const TONES = { active: 'ok', exhausted: 'mute', expired: 'warn', revoked: 'mute' } as const satisfies Record<
  State,
  Tone
>;
const WORDS: Readonly<Record<State, string>> = {
  active: 'active',
  exhausted: 'used up',
  expired: 'expired',
  revoked: 'revoked',
};

/** Tokens by which batches enrol: how much of each is used, and the way to end it. */
export function Tokens(): ReactNode {
  const list = useList<EnrolmentToken>('/v1/enrolment-tokens', {}, { about: ['enrolments'], everyMs: 10_000 });
  const types = useApi<Page<DeviceType>>('/v1/device-types?pageSize=100&sort=name', { about: ['device types'] });
  const nameOf = (id: string): string => types.data?.data.find((type) => type.id === id)?.name ?? id.slice(0, 8);
  const [making, setMaking] = useState(false);
  const [fresh, setFresh] = useState<EnrolmentTokenWithSecret>();
  const whyNot = useWhyNot('enrolments:write');
  return (
    <Sheet
      title="Tokens"
      flush
      aside={
        <Button look="first" whyNot={whyNot} onPress={() => setMaking(true)}>
          Make a token…
        </Button>
      }
    >
      <Answered
        query={list}
        lines={6}
        isEmpty={({ rows }) => rows.length === 0}
        empty={
          <Notice title="No token yet" within>
            <p>A token lets a batch of devices of one type come, so many and until then.</p>
          </Notice>
        }
      >
        {({ rows }) => (
          <>
            <Table
              label="Enrolment tokens"
              columns={['Name', 'State', 'Type', '#Used', '#Of', 'Approval', 'Ends', 'Created', 'By', 'What to do']}
            >
              {rows.map((one) => (
                <tr key={one.id}>
                  <th scope="row">{one.name}</th>
                  <td>
                    <Badge tone={TONES[one.state]}>{WORDS[one.state]}</Badge>
                  </td>
                  <td>
                    <ToThing kind="type" id={one.deviceTypeId}>
                      {nameOf(one.deviceTypeId)}
                    </ToThing>
                  </td>
                  <td className="number">{one.used.toLocaleString('en')}</td>
                  <td className="number">{one.uses.toLocaleString('en')}</td>
                  <td>{one.approval === 'manual' ? 'each device' : 'none'}</td>
                  <td>
                    <Time at={one.expiresAt} />
                    {one.state === 'active' ? (
                      <div className="small quiet">
                        <Left at={one.expiresAt} />
                      </div>
                    ) : null}
                  </td>
                  <td>
                    <Time at={one.createdAt} />
                  </td>
                  <td>{one.createdBy}</td>
                  <td>{one.state === 'active' ? <Revoke of={one} whyNot={whyNot} /> : null}</td>
                </tr>
              ))}
            </Table>
            <More of={list} />
          </>
        )}
      </Answered>
      {making ? (
        <MakeToken
          onClose={() => setMaking(false)}
          onMade={(made) => {
            setMaking(false);
            setFresh(made);
          }}
        />
      ) : null}
      {fresh ? (
        <ShownOnce
          title={`The token ${fresh.name}`}
          what="token"
          secret={fresh.token}
          onClose={() => setFresh(undefined)}
        >
          <p>Devices send it with their request for a certificate. It belongs into their firmware or their factory.</p>
        </ShownOnce>
      ) : null}
    </Sheet>
  );
}

function Revoke({ of, whyNot }: { readonly of: EnrolmentToken; readonly whyNot: string | undefined }): ReactNode {
  const revoke = useChange<void>(() => ({ path: `/v1/enrolment-tokens/${of.id}`, method: 'DELETE' }), ['enrolments']);
  return (
    <Confirm
      words="Revoke"
      of={`the token ${of.name}`}
      title={`Revoke the token ${of.name}`}
      change={revoke}
      whyNot={whyNot}
      onDone={() => say('It is revoked.')}
    >
      <p>No further device enrols by it. Those that have a certificate keep it.</p>
    </Confirm>
  );
}
