import { installationsEnded, openOf, sumOf, type RolloutFacts } from './facts.js';
import { plural } from '../plural.js';
import type { Plan, StopRule } from './plan.js';

/** Names a rule by what it says: an amended rule is another one, and may act once itself. */
export function ruleKey(rule: StopRule): string {
  return `${rule.outcome}/${rule.share}/${rule.after}/${rule.then}`;
}

const WORDS = {
  failed: 'failed',
  rejected: 'were rejected',
  timedOut: 'timed out',
  any: 'failed, were rejected or timed out',
} as const;
const ACTS = { pause: 'pauses', abort: 'aborts', rollBack: 'rolls back' } as const satisfies Record<
  StopRule['then'],
  string
>;

/**
 * The rules that are crossed and have not acted, each with its sentence. One that acted never acts again, whatever the
 * share does later.
 */
export function crossedRules(
  facts: RolloutFacts,
  { stopIf, targets }: Pick<Plan, 'stopIf' | 'targets'>,
): { rule: StopRule; because: string }[] {
  const counters = sumOf(facts.groups);
  const { ended, bad: bads } = installationsEnded(facts.groups);
  // A rollout that is smaller than `after` is judged as a whole.
  const isWhole = !(targets.dynamic && facts.endedAt === null) && counters.pending + openOf(counters) === 0;
  return stopIf
    .filter((rule) => !facts.fired.includes(ruleKey(rule)))
    .map((rule) => ({ rule, bad: bads[rule.outcome] }))
    .filter(({ rule, bad }) => (ended >= rule.after || isWhole) && bad > 0 && bad / ended >= rule.share)
    .map(({ rule, bad }) => ({
      rule,
      because: `${bad} of ${plural(ended, 'installation')} ${WORDS[rule.outcome]}; the rollout ${ACTS[rule.then]} at ${percent(rule.share)} (checked after ${plural(rule.after, 'installation')})`,
    }));
}

/** A share (0..1) for a sentence: at most three significant digits, as in `1.25 %`. */
export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
