import { shortened } from '../shortened.js';
import type { GroupFacts, Pause, RolloutFacts } from './facts.js';
import { groupAt, type Plan } from './plan.js';
import type { Step } from './steps.js';
import { ruleKey } from './stop-rules.js';

/**
 * What a step makes of the facts of a rollout, and of nothing else: what it makes of targets is its executor's
 * (activities/rollout-steps.ts). Pure, so that a simulation plans with the same consequences.
 */
export function applyStep(facts: RolloutFacts, step: Step, now: number): RolloutFacts {
  switch (step.do) {
    case 'begin':
      return { ...facts, startedAt: now };
    case 'fire_rule': {
      const fired = { ...facts, fired: [...facts.fired, ruleKey(step.rule)] };
      const { then } = step.rule;
      if (then === 'abort') return abortedBy(fired, step.because, false, now);
      return then === 'rollBack'
        ? rolledBackBy(fired, step.because, now)
        : pausedBy(fired, { reason: 'failure_budget', since: now, because: step.because });
    }
    case 'open_group':
      return withGroup(facts, step.group, { openedAt: now });
    case 'soak':
      return withGroup(
        facts,
        step.group,
        step.since === null ? { soakingSince: null, askedAt: null, approvals: [] } : { soakingSince: step.since },
      );
    case 'ask_approval':
      return withGroup(facts, step.group, { askedAt: now });
    case 'pass_group':
      return withGroup(facts, step.group, { passedAt: now, because: step.because });
    case 'fail_group': {
      const failed = withGroup(facts, step.group, { failedAt: now, because: step.because });
      return step.pause
        ? pausedBy(failed, {
            reason: step.reason,
            since: now,
            because: `group "${step.group}": ${step.because}`,
            group: step.group,
          })
        : failed;
    }
    case 'end':
      return { ...facts, endedAt: now };
    case 'abort':
      return abortedBy(facts, step.because, step.cancelOpen, now);
    case 'rolled_back':
      return { ...facts, aborted: { at: now, because: step.because, cancelOpen: false }, closedAt: now };
    case 'finish':
      return { ...facts, finishedAt: now };
    case 'close':
      return { ...facts, closedAt: now };
    case 'materialise':
    case 'conclude_held':
    case 'sweep':
    case 'prepare_back':
    case 'admit_back':
    case 'give_up_back':
    case 'stop_back':
    case 'admit':
    case 'give_places':
    case 'end_pending':
    case 'stop_open':
      return facts;
  }
}

/** A copy in which the named group has changed; without such a group, a copy that is equal. */
export function withGroup(facts: RolloutFacts, name: string, change: Partial<GroupFacts>): RolloutFacts {
  return { ...facts, groups: facts.groups.map((group) => (group.name === name ? { ...group, ...change } : group)) };
}

/** More than a person reads; what came before stands in the history, as all of it does. */
const BECAUSE_CHARACTERS = 1_000;

/**
 * A set of reasons: one that is there keeps its start and its group, and its sentence says what was added. Said again,
 * nothing changes. What has no room in the sentence any more changes the facts all the same, so that it comes to the
 * history.
 */
export function pausedBy(facts: RolloutFacts, pause: Pause): RolloutFacts {
  const there = facts.pauses.find((one) => one.reason === pause.reason);
  if (!there) return { ...facts, pauses: [...facts.pauses, pause] };
  // What a person says may itself have a "; ".
  const isSaid = `; ${there.because}; `.includes(`; ${pause.because}; `);
  const groups = [...new Set([...groupsOf(there), ...groupsOf(pause)])];
  if (isSaid && groups.length === groupsOf(there).length) return facts;
  const because = isSaid ? there.because : shortened(`${there.because}; ${pause.because}`, BECAUSE_CHARACTERS);
  const added: Pause = { ...there, because, ...(groups.length > 1 ? { groups } : {}) };
  return { ...facts, pauses: facts.pauses.map((one) => (one === there ? added : one)) };
}

/** The groups that a pause is about. */
export function groupsOf({ group, groups }: Pause): readonly string[] {
  return groups ?? (group === undefined ? [] : [group]);
}

/** From here on nothing but the roll back is planned; a rollout that had finished is open again. */
export function rolledBackBy(facts: RolloutFacts, because: string, now: number): RolloutFacts {
  return facts.rollingBack ? facts : { ...facts, rollingBack: { at: now, because }, finishedAt: null };
}

/**
 * The facts with the abort in them; a second abort changes nothing, so the first reason stays. `now`: epoch
 * milliseconds.
 */
export function abortedBy(facts: RolloutFacts, because: string, cancelOpen: boolean, now: number): RolloutFacts {
  return facts.aborted ? facts : { ...facts, aborted: { at: now, because, cancelOpen } };
}

/**
 * Takes one reason away, and nothing else. Where it was a gate's, or an approval that was refused or lapsed, the person
 * who resumes takes it upon himself: that gate is overridden, or the approval asked for anew, in each group that the
 * pause is about. A gate that is overridden is no approval: where the group needs one, it is asked for.
 */
export function resumed(
  facts: RolloutFacts,
  plan: Plan,
  reason: Pause['reason'],
  by: string,
  now: number,
): RolloutFacts {
  const pause = facts.pauses.find((one) => one.reason === reason);
  if (!pause) return facts;
  const without = { ...facts, pauses: facts.pauses.filter((one) => one !== pause) };
  const because = `passed by ${by}, who resumed despite: ${pause.because}`;
  const groups = groupsOf(pause);
  return {
    ...without,
    groups: without.groups.map((group, position) => {
      if (!groups.includes(group.name)) return group;
      if (reason !== 'approval') {
        const { approval } = groupAt(plan.groups, position);
        return approval !== null && group.approvals.length < approval.required
          ? { ...group, failedAt: null, soakingSince: null, askedAt: now, because }
          : { ...group, passedAt: now, because };
      }
      // One that was tried again meanwhile may have votes since.
      return group.failedAt === null || group.passedAt !== null
        ? group
        : { ...group, failedAt: null, askedAt: null, approvals: [], because: null };
    }),
  };
}
