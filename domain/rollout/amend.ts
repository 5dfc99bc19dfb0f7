import { DomainError } from '../errors.js';
import { stillDefaulted } from './amendment.js';
import type { Amendment } from './commands.js';
import type { RolloutFacts } from './facts.js';
import { comparePlans } from './loosening.js';
import type { Plan } from './plan.js';
import { groupOf, loosenedBy, whyNotLoosen, type Person, type Voted } from './votes.js';

/** What an amendment changes of a rollout. */
export interface Amendable extends Voted {
  readonly defaulted: readonly string[];
}

/**
 * Each amendment is a version. Of groups that have passed nothing changes: they were judged. One that loosens voids the
 * votes that were given (docs/contracts/rollouts.md, "Approvals").
 * @returns the rollout as it is then, and what the amendment loosened
 * @throws DomainError ROLLOUT_STATE; AUTH_FORBIDDEN where it loosens, the plan sets four eyes, and the person may not
 */
export function amended<R extends Amendable>(
  rollout: R,
  amendment: Amendment,
  by: Person,
  now: number,
): { readonly after: R; readonly loosened: readonly string[] } {
  const { plan, facts } = rollout;
  const changes = new Map(amendment.groups?.map((one) => [one.name, one]));
  for (const name of changes.keys()) {
    if (groupOf(facts, name).passedAt !== null)
      throw new DomainError('ROLLOUT_STATE', `group "${name}" has passed; its gate cannot change any more`);
  }
  if (amendment.schedule && facts.startedAt !== null && amendment.schedule.startAt !== plan.schedule.startAt)
    throw new DomainError('ROLLOUT_STATE', 'it has started; its startAt cannot change any more');
  const groups = plan.groups.map((group) => ({ ...group, ...changes.get(group.name) }));
  const next: Plan = { ...plan, ...amendment, groups };
  const version = rollout.version + 1;
  const { loosened } = comparePlans(plan, next, facts.fired);
  const what = loosened.join(', ');
  const refused =
    loosened.length > 0 ? whyNotLoosen(plan, rollout.createdBy, by, `this amendment (${what})`) : undefined;
  if (refused !== undefined) throw new DomainError('AUTH_FORBIDDEN', refused);
  const then = timed(facts, plan, next, now);
  const after: R = {
    ...rollout,
    facts:
      loosened.length === 0
        ? then
        : loosenedBy(then, { plan: next, version }, by.id, `version ${version} loosens ${what}`, now),
    plan: next,
    defaulted: stillDefaulted(rollout.defaulted, plan, next),
    version,
  };
  return { after, loosened };
}

/** A plan that names a time starts then, without a command; one that names none any more waits for the command. */
function timed(facts: RolloutFacts, before: Plan, after: Plan, now: number): RolloutFacts {
  if (facts.startedAt !== null || before.schedule.startAt === after.schedule.startAt) return facts;
  return { ...facts, startRequestedAt: after.schedule.startAt === null ? null : (facts.startRequestedAt ?? now) };
}
