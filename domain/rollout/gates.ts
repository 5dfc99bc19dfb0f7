import { failureRateBounds, judgeRate } from '../statistics/confidence.js';
import { plural } from '../plural.js';
import { endedOf, succeededOf, type GroupFacts } from './facts.js';
import type { GroupPlan } from './plan.js';
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
  const { counters: c, size } = group;
  const ended = endedOf(c);
  if (size === 0 || c.alreadyInstalled === size) {
    return {
      verdict: 'passed',
      because:
        size === 0 ? 'the group has no targets' : `${size} of ${plural(size, 'target')} already held the content`,
      bound: boundOf(plan, group),
    };
  }
  const exhausted = ended >= size;
  return plan.gate.confidence !== null && plan.gate.maxFailureRate !== null
    ? sequential(plan, group, exhausted, plan.gate.maxFailureRate, plan.gate.confidence)
    : byShare(plan, group, ended, exhausted);
}

function byShare({ gate }: GroupPlan, { counters, size }: GroupFacts, ended: number, exhausted: boolean): GateVerdict {
  const succeeded = succeededOf(counters);
  const rate = ended === 0 ? 0 : succeeded / ended;
  const enough = rate >= gate.minSuccess;
  const seen = `${succeeded} of ${plural(ended, 'ended target')} succeeded; ${percent(gate.minSuccess)} required`;
  if (exhausted) return { verdict: enough ? 'satisfied' : 'failed', because: seen, bound: null };
  if (ended < Math.min(gate.minSample, size))
    return {
      verdict: 'wait',
      because: `${plural(ended, 'target has', 'targets have')} ended; the gate needs ${gate.minSample}`,
      bound: null,
    };
  return { verdict: enough ? 'satisfied' : 'wait', because: seen, bound: null };
}

function sequential(
  plan: GroupPlan,
  group: GroupFacts,
  exhausted: boolean,
  maxFailureRate: number,
  confidence: number,
): GateVerdict {
  const { ended, failed } = group.prefix;
  const bound = boundOf(plan, group)!;
  const said = `after ${plural(ended, 'device')} with ${plural(failed, 'failure')}, the failure rate is between ${percent(bound.lower)} and ${percent(bound.upper)} (confidence of each bound: ${percent(confidence)}); ${percent(maxFailureRate)} allowed`;
  const verdict =
    ended >= Math.min(plan.gate.minSample, group.size) ? judgeRate(failed, ended, maxFailureRate, confidence) : 'wait';
  if (verdict === 'pass') return { verdict: 'satisfied', because: said, bound };
  if (verdict === 'fail') return { verdict: 'failed', because: said, bound };
  return exhausted
    ? { verdict: 'inconclusive', because: `${said}, and no target of the group is left`, bound }
    : { verdict: 'wait', because: said, bound };
}

function boundOf({ gate }: GroupPlan, { prefix }: GroupFacts): GateVerdict['bound'] {
  if (gate.confidence === null) return null;
  return {
    ...failureRateBounds(prefix.failed, prefix.ended, gate.confidence),
    sample: prefix.ended,
    failed: prefix.failed,
  };
}
