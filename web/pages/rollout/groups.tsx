import type { ReactNode } from 'react';
import { TARGET_STATES } from '../../../domain/rollout/facts.js';
import type { GroupState } from '../../../domain/rollout/phase.js';
import { Badge } from '../../design/badge.js';
import { Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Ago } from '../../design/time.js';
import { inWords, type Tone } from '../../design/tones.js';
import type { Rollout } from '../../service/types.js';
import { percent, targetWords, type Group } from './counters.js';
import { Gate, intervalOf } from './gate.js';
import { Lane } from './lane.js';

const TONES = {
  pending: 'mute',
  running: 'busy',
  soaking: 'busy',
  awaiting_approval: 'warn',
  passed: 'ok',
  failed: 'bad',
} as const satisfies Record<GroupState, Tone>;

/** The groups in their order, each as a lane with its figures, and its gate with its interval. */
export function Groups({ of }: { readonly of: Rollout }): ReactNode {
  return (
    <Sheet title="Groups">
      {of.groups.length === 0 ? <Notice title="The groups are not formed yet" within /> : null}
      <ol className="lanes">
        {of.groups.map((group) => (
          <li key={group.name}>
            <div className="row spread">
              <div className="row">
                <h3>{group.name}</h3>
                <Badge tone={TONES[group.state]}>{inWords(group.state)}</Badge>
                {group.openedAt === null ? null : (
                  <span className="small quiet">
                    opened <Ago at={group.openedAt} />
                  </span>
                )}
              </div>
              <span className="small quiet">
                {group.size.toLocaleString('en')} device{group.size === 1 ? '' : 's'}
                {group.away > 0 ? `, ${group.away.toLocaleString('en')} away` : ''}
              </span>
            </div>
            <Lane of={group.counters} />
            {group.rollBack === null ? null : <Back of={group.rollBack} />}
            <Gate of={group} />
          </li>
        ))}
      </ol>
      <details>
        <summary>The figures as a table</summary>
        <Figures of={of.groups} />
      </details>
    </Sheet>
  );
}

function Back({ of }: { readonly of: NonNullable<Group['rollBack']> }): ReactNode {
  return (
    <p className="small">
      Rolled back: {of.rolledBack}. In flight: {of.inFlight + of.queued}. Waiting: {of.pending}. Failed: {of.failed}.
    </p>
  );
}

function Figures({ of }: { readonly of: readonly Group[] }): ReactNode {
  const states = TARGET_STATES.filter((state) => of.some(({ counters }) => counters[state] > 0));
  return (
    <div className="table-frame" tabIndex={0} role="group" aria-label="Groups, their devices and gates">
      <table className="table">
        <thead>
          <tr>
            <th>Group</th>
            {states.map((state) => (
              <th key={state} className="number">
                {targetWords(state)}
              </th>
            ))}
            <th className="number">failures, at least</th>
            <th className="number">at most</th>
            <th className="number">limit</th>
            <th>Gate</th>
          </tr>
        </thead>
        <tbody>
          {of.map((group) => {
            const interval = intervalOf(group);
            return (
              <tr key={group.name}>
                <td>{group.name}</td>
                {states.map((state) => (
                  <td key={state} className="number">
                    {group.counters[state].toLocaleString('en')}
                  </td>
                ))}
                <td className="number">{interval ? percent(interval.lower) : ''}</td>
                <td className="number">{interval ? percent(interval.upper) : ''}</td>
                <td className="number">{percent(group.gate.maxFailureRate ?? 1 - group.gate.minSuccess)}</td>
                <td>{group.gate.verdict}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
