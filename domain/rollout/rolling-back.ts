import { defined } from '../defined.js';
import { plural } from '../plural.js';
import { earliest } from '../times.js';
import { openOf, type Counters, type RollbackState, type RolloutFacts } from './facts.js';
import { rateNow, RATE_WINDOW_MS } from './pace.js';
import type { Plan } from './plan.js';
import { describe } from './sentences.js';
import { steps, waiting, type Planned } from './steps.js';

/**
 * The roll back: nothing begins any more, what is open stops or ends, and then group by group, the newest first, at the
 * pace of the plan.
 */
export function rollingBack(facts: RolloutFacts, plan: Plan, counters: Counters, now: number): Planned | undefined {
  if (!facts.rollingBack) return undefined;
  const { because, at } = facts.rollingBack;
  if (counters.pending > 0) return steps({ do: 'end_pending', groups: null, as: 'canceled', because });
  if (facts.toStop.begun + facts.toStop.notBegun > 0)
    return steps({ do: 'stop_open', groups: null, only: 'all', as: 'canceled', because });
  if (facts.toRollBack > 0) return steps({ do: 'prepare_back' });
  const back = (state: RollbackState) => facts.groups.reduce((sum, group) => sum + group.back[state], 0);
  const open = openOf(counters) + back('queued') + back('inFlight');
  const inFlight = counters.inFlight + back('inFlight');
  const deadline = at + plan.timeouts.target;
  const room = plan.pace.maxInFlight - inFlight;
  if (now >= deadline) {
    const late = `not reached within ${describe.duration(plan.timeouts.target)} of the start of the roll back`;
    if (back('pending') > 0) return steps({ do: 'give_up_back', because: late });
    if (back('queued') > 0) return steps({ do: 'stop_back', because: late });
  }
  if (facts.suspended && back('pending') + open > 0) return waiting(describe.suspended(open), deadline);
  if (room > 0 && facts.wantPlace > 0) return steps({ do: 'give_places', count: Math.min(room, facts.wantPlace) });
  if (back('pending') > 0) {
    // The newest group first; one whose devices are all away or in a back-off holds up no other.
    const group = defined(
      facts.groups.findLast((one) => one.back.pending > 0 && one.back.ready > 0) ??
        facts.groups.findLast((one) => one.back.pending > 0),
      'what is pending in all is pending in a group',
    );
    const starts = rateNow(plan.pace, counters) - facts.starts.lastMinute;
    if (room > 0 && starts > 0 && group.back.ready > 0)
      return steps({ do: 'admit_back', group: group.name, count: Math.min(room, starts, group.back.ready) });
    const until = starts <= 0 ? (facts.starts.oldestLeavesAt ?? now + RATE_WINDOW_MS) : null;
    const retries = facts.groups.map((one) => one.back.nextRetryAt).filter((time) => time !== null && time > now);
    return waiting(
      describe.rollingBack(back('pending'), open, group.name),
      earliest(until, deadline, ...retries),
      earliest(group.back.ready > 0 ? until : null, deadline, ...(room > 0 ? retries : [])),
    );
  }
  if (open > 0) return waiting(describe.rollingBack(0, open, null), back('queued') > 0 ? deadline : null);
  const [done, failed] = [back('done'), back('failed')];
  return steps({
    do: 'rolled_back',
    because: `rolled back: ${because}; ${plural(done, 'device holds its earlier content', 'devices hold their earlier content')} again${failed > 0 ? `, ${plural(failed, 'device does', 'devices do')} not` : ''}`,
  });
}
