import type { ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { Choice } from '../../design/field.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { More, Table } from '../../design/table.js';
import { Left, Time } from '../../design/time.js';
import { say } from '../../design/toast.js';
import { inWords, type Tone } from '../../design/tones.js';
import { useUrlValue } from '../../design/url.js';
import { useChange, useList, useWhyNot } from '../../service/queries.js';
import type { Delivery, One } from '../../service/types.js';

const TONES = { pending: 'busy', delivered: 'ok', failed: 'bad' } as const satisfies Record<Delivery['state'], Tone>;
const STATES = [
  ['', 'All'],
  ['pending', 'Pending'],
  ['delivered', 'Delivered'],
  ['failed', 'Failed'],
] as const;
type State = (typeof STATES)[number][0];

/** Each delivery, newest first, with what the receiver answered, and the way to send it once more. */
export function Deliveries({ webhookId }: { readonly webhookId: string }): ReactNode {
  const [chosen, setState] = useUrlValue('state');
  const state: State = STATES.find(([one]) => one === chosen)?.[0] ?? '';
  const path = `/v1/webhooks/${webhookId}/deliveries`;
  const list = useList<Delivery>(path, { state }, { about: ['deliveries'] });
  const whyNot = useWhyNot('webhooks:write');
  const again = useChange<One<Delivery>, string>(
    (id) => ({ path: `${path}/${id}/redeliver`, method: 'POST', body: {} }),
    ['deliveries', 'webhooks'],
  );
  return (
    <Sheet
      title="Deliveries"
      flush
      aside={
        <Button onPress={() => void list.refetch()} busy={list.isRefetching}>
          Refresh
        </Button>
      }
    >
      <div className="filters within">
        <Choice<State> label="State" value={state} options={STATES} onChoose={setState} />
      </div>
      {again.error ? <Fault error={again.error} /> : null}
      <Answered
        query={list}
        isEmpty={({ rows }) => rows.length === 0}
        empty={
          <Notice title={state === '' ? 'Nothing was delivered yet' : `None is ${state}`} within>
            <p>The next event makes a delivery. What ended is kept for a week.</p>
          </Notice>
        }
      >
        {({ rows }) => (
          <>
            <Table
              label="Deliveries"
              columns={['Made', 'Event', 'State', '#Attempts', 'Last answer', 'Next attempt', 'What to do']}
            >
              {rows.map((one) => (
                <tr key={one.id}>
                  <td>
                    <Time at={one.createdAt} />
                  </td>
                  <td className="nowrap">
                    {inWords(one.event)} <span className="small quiet">entry {one.number}</span>
                    {one.redeliveryOf === null ? null : <span className="small quiet">, once more</span>}
                  </td>
                  <td>
                    <Badge tone={TONES[one.state]}>{one.state}</Badge>
                  </td>
                  <td className="number">{one.attempts}</td>
                  <td className="wraps">{one.lastError ?? one.lastStatus ?? ''}</td>
                  <td>{one.nextAttemptAt === null ? '' : <Left at={one.nextAttemptAt} />}</td>
                  <td>
                    <Button
                      whyNot={whyNot}
                      busy={again.isPending}
                      onPress={() => again.mutate(one.id, { onSuccess: () => say('It is sent once more.') })}
                    >
                      Redeliver<span className="hidden-text"> entry {one.number}</span>
                    </Button>
                  </td>
                </tr>
              ))}
            </Table>
            <More of={list} />
          </>
        )}
      </Answered>
    </Sheet>
  );
}
