import { failureRateBounds, judgeRate } from '../statistics/confidence.js';
import { plural } from '../plural.js';
import { endedOf, sizeOf, succeededOf, type GroupFacts } from './facts.js';
import { LEAST_SAMPLE, type GroupPlan } from './plan.js';
import { percent } from './stop-rules.js';

/**
 * What a gate says of its group now, with a sentence for people. `satisfied` lets the soak run; `passed` needs no soak.
 */
export interface GateVerdict {
  readonly verdict: 'wait' | 'satisfied' | 'passed' | 'failed' | 'inconclusive';
  readonly because: string;
  /** With a sequential test: between what the failure rate lies, and on how many devices that rests. */
  readonly bound: {
    readonly lower: number;
    readonly upper: number;
    readonly sample: number;
    readonly failed: number;
  } | null;
}

/** docs/contracts/rollouts.md, "Gates". Pure: the same counters give the same verdict, however often one looks. */
export function judgeGate(plan: GroupPlan, group: GroupFacts): GateVerdict {
  const { counters: c } = group;
  const size = sizeOf(group);
  if (size === 0 || c.alreadyInstalled === size) {
    const bound = plan.gate.confidence === null ? null : boundOf(plan.gate.confidence, group);
    return { verdict: 'passed', because: nothingToDo(group, size), bound };
  }
  // Those that are away hold no gate: when all others have ended, it is decided without them.
  const exhausted = endedOf(c) >= size - group.away;
  return plan.gate.confidence !== null && plan.gate.maxFailureRate !== null
    ? sequential(plan, group, exhausted, plan.gate.maxFailureRate, plan.gate.confidence)
    : byShare(plan, group, size, exhausted);
}

function nothingToDo({ size: all }: GroupFacts, size: number): string {
  if (all === 0) return 'the group has no targets';
  return size === 0
    ? `${plural(all, 'target was', 'targets were')} skipped, and there are no others`
    : `${size} of ${plural(size, 'target')} already held the content`;
}

function byShare({ name, gate }: GroupPlan, group: GroupFacts, size: number, exhausted: boolean): GateVerdict {
  const ended = endedOf(group.counters);
  const succeeded = succeededOf(group.counters);
  const enough = ended > 0 && succeeded / ended >= gate.minSuccess;
  const seen = `${succeeded} of ${plural(ended, 'ended target')} succeeded; ${percent(gate.minSuccess)} required`;
  const needed =
    gate.minSample === 'all'
      ? Math.max(size - group.away, Math.min(size, LEAST_SAMPLE))
      : Math.min(gate.minSample, size);
  const away = awayOf(group, size, name);
  if (ended < needed)
    return {
      verdict: exhausted ? 'inconclusive' : 'wait',
      because: `${plural(ended, 'target has', 'targets have')} ended; the gate needs ${needed}${away}`,
      bound: null,
    };
  if (enough) return { verdict: 'satisfied', because: `${seen}${away}`, bound: null };
  return { verdict: exhausted ? 'failed' : 'wait', because: `${seen}${away}`, bound: null };
}

/** Names the ways out, where some do not come. */
function awayOf({ away }: GroupFacts, size: number, name: string): string {
  return away === 0
    ? ''
    : `; ${away} of ${plural(size, 'target')} ${away === 1 ? 'is' : 'are'} away: amend minSample, or skip them with POST …/groups/${name}/skip {"away": true}`;
}

function sequential(
  plan: GroupPlan,
  group: GroupFacts,
  exhausted: boolean,
  maxFailureRate: number,
  confidence: number,
): GateVerdict {
  const { ended, failed } = group.prefix;
  const bound = boundOf(confidence, group);
  const said = `after ${plural(ended, 'device')} with ${plural(failed, 'failure')}, the failure rate is between ${percent(bound.lower)} and ${percent(bound.upper)} (confidence of each bound: ${percent(confidence)}); ${percent(maxFailureRate)} allowed`;
  const { minSample } = plan.gate;
  const size = sizeOf(group);
  const needed = minSample === 'all' ? Math.min(size, LEAST_SAMPLE) : Math.min(minSample, size);
  const verdict = ended >= needed ? judgeRate(failed, ended, maxFailureRate, confidence) : 'wait';
  if (verdict === 'pass') return { verdict: 'satisfied', because: said, bound };
  if (verdict === 'fail') return { verdict: 'failed', because: said, bound };
  return exhausted
    ? {
        verdict: 'inconclusive',
        because: `${said}, and no target of the group is left${awayOf(group, size, group.name)}`,
        bound,
      }
    : { verdict: 'wait', because: said, bound };
}

function boundOf(confidence: number, { prefix }: GroupFacts): NonNullable<GateVerdict['bound']> {
  return {
    ...failureRateBounds(prefix.failed, prefix.ended, confidence),
    sample: prefix.ended,
    failed: prefix.failed,
  };
}
