import { plural } from '../plural.js';
import { succeededOf, sumOf, type RolloutFacts } from './facts.js';

/** How a rollout ended (docs/contracts/rollouts.md, "States"). */
export const OUTCOMES = ['succeeded', 'partly', 'failed', 'nothingToDo', 'rolledBack', 'canceled'] as const;
/** How a rollout ended; an open one has none (docs/contracts/rollouts.md, "States"). */
export type Outcome = (typeof OUTCOMES)[number];

/**
 * Derived from the counters, so that it never says more than they do. `partly`: some have it. `failed`: none has it.
 * @returns null while the rollout has not ended
 */
export function outcomeOf(facts: RolloutFacts): Outcome | null {
  if (facts.finishedAt === null && facts.closedAt === null) return null;
  if (facts.rollingBack !== null) return 'rolledBack';
  if (facts.aborted !== null) return 'canceled';
  const all = sumOf(facts.groups);
  const size = sizeOfAll(facts);
  const have = succeededOf(all);
  if (all.alreadyInstalled === size) return 'nothingToDo';
  if (have === size) return 'succeeded';
  return have === 0 ? 'failed' : 'partly';
}

function sizeOfAll({ groups }: RolloutFacts): number {
  return groups.reduce((sum, group) => sum + group.size - group.counters.skipped, 0);
}

/**
 * How many have the content, and what became of the others, without a full stop: "2 of 31 have 2.0.0; 29 rejected it".
 * @param content what people call it: its version, where it has one
 */
export function outcomeSentence(facts: RolloutFacts, content: string): string {
  const c = sumOf(facts.groups);
  const refused = facts.groups.reduce((sum, group) => sum + group.unattempted.rejected, 0);
  const parts: [count: number, said: (count: number) => string][] = [
    [c.failed, (count) => `${count} failed`],
    [c.rejected - refused, (count) => `${count} rejected it`],
    [refused, (count) => `${count} ${count === 1 ? 'was' : 'were'} not admitted`],
    [c.timedOut, (count) => `${count} timed out`],
    [c.canceled, (count) => `${count} ${count === 1 ? 'was' : 'were'} canceled`],
    [c.superseded, (count) => `${count} ${count === 1 ? 'was' : 'were'} superseded`],
    [c.skipped, (count) => `${count} ${count === 1 ? 'was' : 'were'} skipped`],
  ];
  const have = succeededOf(c);
  const size = sizeOfAll(facts);
  const others = parts.filter(([count]) => count > 0).map(([count, said]) => said(count));
  return [`${have} of ${plural(size, 'target')} ${have === 1 ? 'has' : 'have'} ${content}`, ...others].join('; ');
}
