import { endedOf, NO_COUNTERS, openOf, sumOf, type GroupFacts, type RolloutFacts } from './facts.js';
import { rateNow, RATE_WINDOW_MS } from './pace.js';
import { lastDeadline } from './deadlines.js';
import { groupAt, type Plan } from './plan.js';

type Group = Pick<GroupFacts, 'counters' | 'passedAt' | 'soakingSince'>;

/**
 * When the last target ends, epoch milliseconds; null where that is over, depends on a person, or depends on a device
 * that has to come online first. Before anything has ended it goes by the plan and by what such devices took before;
 * then more and more by the pace so far. It costs by groups, never by devices. While others move, devices that are away
 * are not foreseen: a forecast tells more.
 * @param deviceMs what one device takes, from the offer to its confirmed end; null = not known
 */
export function etaOf(facts: RolloutFacts, plan: Plan, deviceMs: number | null, now: number): number | null {
  const counters = sumOf(facts.groups);
  const left = counters.pending + openOf(counters);
  if (facts.finishedAt !== null || left === 0 || dependsOnPerson(facts, plan)) return null;
  if (facts.startedAt === null) return deviceMs === null ? null : startedNow(facts.groups, plan, deviceMs, now);
  if (waitsForDevices(facts)) return null;
  const ended = endedOf(counters) - counters.alreadyInstalled;
  const byPlan = deviceMs === null ? null : lengthOf(plan, facts.groups, deviceMs, now);
  const byPace = ended === 0 ? null : (left * (now - facts.startedAt)) / ended;
  const share = ended / (ended + left);
  const rest = byPlan === null || byPace === null ? (byPlan ?? byPace) : byPlan * (1 - share) + byPace * share;
  return rest === null ? null : Math.round(Math.min(now + rest, lastDeadline(facts, plan)));
}

/**
 * Whether the end depends on a person, or the rollout goes another way: it is paused, its tenant is suspended, it was
 * stopped, or waits for an approval, now or before a later group. A draft does not count: its eta is that of a start.
 */
export function dependsOnPerson(
  { aborted, rollingBack, pauses, suspended, ...facts }: RolloutFacts,
  plan: Plan,
): boolean {
  if (aborted || rollingBack || suspended || pauses.length > 0) return true;
  if (facts.startRequestedAt === null) return false;
  if (facts.startedAt === null && facts.approvals.length < plan.approval.required) return true;
  return facts.groups.some(({ passedAt, approvals }, index) => {
    const { approval } = groupAt(plan.groups, index);
    return passedAt === null && approval !== null && approvals.length < approval.required;
  });
}

/**
 * Whether nothing moves until a device comes online: targets are pending in open groups, none of them could be admitted
 * now or after a back-off, nothing is open, and no soak ends after which a later group begins. Only of observed facts:
 * what was read without a look knows of no target that is ready.
 */
function waitsForDevices({ groups, wantPlace }: RolloutFacts): boolean {
  const opened = groups.filter((group) => group.openedAt !== null);
  if (!opened.some((group) => group.counters.pending > 0)) return false;
  if (wantPlace > 0 || openOf(sumOf(groups)) > 0) return false;
  if (opened.some((group) => group.ready > 0 || group.nextRetryAt !== null)) return false;
  const soaks = opened.some((group) => group.soakingSince !== null && group.passedAt === null);
  return !(soaks && groups.some((group) => group.openedAt === null && group.counters.pending > 0));
}

/** The same of a rollout whose groups are not formed yet: only how large each will be is known. */
export function plannedEta(plan: Plan, sizes: readonly number[], deviceMs: number, now: number): number {
  return startedNow(
    sizes.map((pending): Group => ({ counters: { ...NO_COUNTERS, pending }, passedAt: null, soakingSince: null })),
    plan,
    deviceMs,
    now,
  );
}

function startedNow(groups: readonly Group[], plan: Plan, deviceMs: number, now: number): number {
  return Math.round(Math.max(now, plan.schedule.startAt ?? now) + lengthOf(plan, groups, deviceMs, null));
}

/**
 * What is left of the groups, one after the other: starts by the rate, places under the cap, and each soak. @param now
 * null = nothing has begun
 */
function lengthOf(plan: Plan, groups: readonly Group[], deviceMs: number, now: number | null): number {
  const { pace } = plan;
  let done = sumOf(groups);
  return groups.reduce((sum, { counters, passedAt, soakingSince }, index) => {
    const left = counters.pending + openOf(counters);
    const rate = rateNow(pace, done);
    done = { ...done, installed: done.installed + left };
    const starts = Math.floor(Math.max(0, counters.pending - 1) / rate) * RATE_WINDOW_MS;
    const places = Math.ceil(left / pace.maxInFlight) * deviceMs;
    const soaked = now === null || soakingSince === null ? 0 : now - soakingSince;
    const soak =
      passedAt !== null || counters.pending + openOf(counters) + endedOf(counters) === 0
        ? 0
        : Math.max(0, groupAt(plan.groups, index).soak - soaked);
    return sum + (left === 0 ? 0 : Math.min(plan.timeouts.target, Math.max(starts + deviceMs, places))) + soak;
  }, 0);
}

/** Of what is left: who looks at a clock does not see less, and each step of a large rollout would write its row. */
const WORTH_TELLING = 0.05;

/**
 * The eta that is kept: the one that was, unless the new one differs from it by more than a twentieth of what is left.
 * Null to some time, or back, always does.
 */
export function etaToKeep(known: number | null, found: number | null, now: number): number | null {
  if (known === null || found === null) return found;
  return Math.abs(found - known) > WORTH_TELLING * Math.max(0, found - now) ? found : known;
}
