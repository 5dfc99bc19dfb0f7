import { judgeGate } from './gates.js';
import { isOverridden, type GroupFacts, type RolloutFacts } from './facts.js';
import { outcomeSentence } from './outcome.js';
import type { GroupPlan, Plan } from './plan.js';
import { plural } from '../plural.js';
import { iso } from './sentences.js';

/** Derived from the facts, never decided by itself (docs/contracts/rollouts.md, "States"). The last two are ends. */
export const PHASES = [
  'draft',
  'awaiting_approval',
  'scheduled',
  'running',
  'paused',
  'rolling_back',
  'finished',
  'aborted',
] as const;
/** What a rollout is now. Stored only so that lists can filter by it. */
export type Phase = (typeof PHASES)[number];

/**
 * The phase is derived, most severe first, each with its sentence.
 * @param content what people call what it installs: the version of its firmware, where it has one
 */
export function derivePhase(
  facts: RolloutFacts,
  plan: Plan,
  content = 'the content',
): { phase: Phase; because: string } {
  if (facts.aborted)
    return {
      phase: 'aborted',
      because: `Aborted at ${iso(facts.aborted.at)}: ${facts.aborted.because}${facts.closedAt !== null && !facts.rollingBack ? `; ${outcomeSentence(facts, content)}` : ''}.`,
    };
  if (facts.rollingBack)
    return {
      phase: 'rolling_back',
      because: `Rolling back since ${iso(facts.rollingBack.at)}: ${facts.rollingBack.because}.`,
    };
  if (facts.finishedAt !== null)
    return { phase: 'finished', because: `Finished at ${iso(facts.finishedAt)}: ${outcomeSentence(facts, content)}.` };
  if (facts.startRequestedAt === null)
    return { phase: 'draft', because: `Draft since ${iso(facts.createdAt)}: not started yet.` };
  const missing = plan.approval.required - facts.approvals.length;
  if (facts.pauses.length > 0)
    return {
      phase: 'paused',
      because: `Paused: ${facts.pauses.map((pause) => `${pause.because} (${pause.reason})`).join('; ')}.`,
    };
  if (facts.startedAt === null && missing > 0)
    return {
      phase: 'awaiting_approval',
      because: `${plural(missing, 'more approval')} needed before it starts${facts.loosened?.voided == null ? '' : `: ${facts.loosened.voided}`}.`,
    };
  if (facts.startedAt === null && plan.schedule.startAt !== null)
    return { phase: 'scheduled', because: `Scheduled to start at ${iso(plan.schedule.startAt)}.` };
  const asked = facts.groups.find((group) => groupState(group) === 'awaiting_approval');
  if (asked?.askedAt != null)
    return {
      phase: 'awaiting_approval',
      because: `Group "${asked.name}" needs an approval, since ${iso(asked.askedAt)}.`,
    };
  return {
    phase: 'running',
    because: facts.startedAt === null ? 'Start requested.' : `Running since ${iso(facts.startedAt)}.`,
  };
}

/** Nothing of it is judged any more: it has ended, or does nothing but end or turn back. */
export function isDecided({ aborted, rollingBack, finishedAt }: RolloutFacts): boolean {
  return aborted !== null || rollingBack !== null || finishedAt !== null;
}

/** States of a group, derived like the phase. `passed` and `failed` stay. */
export const GROUP_STATES = ['pending', 'running', 'soaking', 'awaiting_approval', 'passed', 'failed'] as const;
/** What one group is now. */
export type GroupState = (typeof GROUP_STATES)[number];

/** From the facts alone: no clock, so two readers at different times agree. */
export function groupState(group: GroupFacts): GroupState {
  if (group.passedAt !== null) return 'passed';
  if (group.failedAt !== null) return 'failed';
  if (group.openedAt === null) return 'pending';
  if (group.askedAt !== null) return 'awaiting_approval';
  return group.soakingSince !== null ? 'soaking' : 'running';
}

/**
 * What the group's gate says now, for people: its verdict with the bound, or why it was decided. A gate that was never
 * asked has not failed.
 * @param isOver nothing of the rollout is judged any more
 */
export function gateOf(plan: GroupPlan, group: GroupFacts, isOver: boolean): ReturnType<typeof judgeGate> {
  const judged = judgeGate(plan, group);
  if (group.passedAt !== null) return { ...judged, verdict: 'passed', because: group.because ?? judged.because };
  if (group.failedAt !== null) return { ...judged, because: group.because ?? judged.because };
  if (isOverridden(group) && !isOver)
    return { ...judged, verdict: 'satisfied', because: group.because ?? judged.because };
  if (group.openedAt === null)
    return { ...judged, verdict: 'wait', because: isOver ? 'the group never opened' : 'the group has not opened' };
  if (isOver) return { ...judged, verdict: 'wait', because: `the rollout ended before this gate: ${judged.because}` };
  return judged;
}
