import { printDuration } from '../duration.js';
import type { Fault } from '../errors.js';
import { filterFault } from '../fleet/filter.js';
import type { GroupPlan, Plan, Schedule, StopRule } from './plan.js';
import { iso } from './sentences.js';
import { ruleKey } from './stop-rules.js';

/** Durable timers hold for months; what lies further ahead is a mistyped year. */
const MAX_AHEAD_MS = 10 * 366 * 86_400_000;
/** Sums of decimal fractions, such as 33.3 + 33.3 + 33.4, are not quite what they mean. */
const EPSILON = 1e-9;

/**
 * What a plan's members mean together, all faults at once, each with its pointer. Whether what it names exists is the
 * store's question.
 * @param before the plan that an amendment changes: a time that was good when it was written is not refused for having
 * passed.
 */
export function checkPlan(plan: Plan, now: number, before?: Plan): Fault[] {
  return [
    ...targetFaults(plan),
    ...groupsFaults(plan),
    ...plan.groups.flatMap((group, index) => groupFaults(group, `/groups/${index}`)),
    ...paceFaults(plan),
    ...stopFaults(plan.stopIf),
    ...scheduleFaults(plan.schedule, now, before?.schedule),
    ...retryFaults(plan),
    ...approvalFaults(plan),
  ];
}

function targetFaults({ targets }: Plan): Fault[] {
  if (targets.dynamic && targets.filter === null)
    return [{ pointer: '/targets/dynamic', detail: 'needs a filter: devices that are named do not come and go' }];
  if (targets.filter === null)
    return targets.deviceIds.length > 0
      ? []
      : [
          {
            pointer: '/targets',
            detail: 'is empty; send a filter, deviceIds, or both (a rollout to all devices has the filter id==*)',
          },
        ];
  return filterFaults('/targets/filter', targets.filter);
}

function filterFaults(pointer: string, filter: string): Fault[] {
  const fault = filterFault(filter);
  return fault ? [{ pointer, ...fault }] : [];
}

/** Each target has a group, and one only: in a plan where that cannot be, devices would wait for ever. */
function groupsFaults({ groups, targets }: Plan): Fault[] {
  const faults: Fault[] = [];
  const last = groups.length - 1;
  let sum = 0;
  for (const [index, group] of groups.entries()) {
    const at = `/groups/${index}`;
    const first = groups.findIndex((one) => one.name === group.name);
    if (first !== index)
      faults.push({
        pointer: `${at}/name`,
        detail: `is the name of /groups/${first}, too; groups are called by their names`,
      });
    if (index < last && sizedBy(group).length === 0)
      faults.push({ pointer: at, detail: 'needs a percent, a count or a filter: only the last group takes the rest' });
    const before = sum;
    sum += group.percent ?? 0;
    if (before <= 100 + EPSILON && sum > 100 + EPSILON)
      faults.push({
        pointer: `${at}/percent`,
        detail: `brings the percents to ${round(sum)}; together they are at most 100`,
      });
  }
  const open = groups[last];
  if (open && sizedBy(open).length > 0 && sum < 100 - EPSILON && (targets.dynamic || !isCountable(groups))) {
    faults.push({
      pointer: `/groups/${last}`,
      detail: `leaves devices in no group${sum > 0 ? `, as the percents come to ${round(sum)}` : ''}; leave its ${sizedBy(open).join(' and ')} out, and it takes the rest`,
    });
  }
  return faults;
}

/**
 * Whether it is the fleet that tells if such groups hold all targets (store/rollouts/check.ts): they are made by
 * filters only, or the last one by a count and none by a filter.
 */
function isCountable(groups: readonly GroupPlan[]): boolean {
  const filters = groups.filter((group) => group.filter !== null).length;
  return filters === groups.length || (filters === 0 && groups.at(-1)?.count !== null);
}

const SIZES = ['percent', 'count', 'filter'] as const;

function sizedBy(group: GroupPlan): (typeof SIZES)[number][] {
  return SIZES.filter((member) => group[member] !== null);
}

function groupFaults(group: GroupPlan, at: string): Fault[] {
  const { gate, approval } = group;
  const faults: Fault[] = [];
  const [first, ...others] = sizedBy(group);
  for (const other of others)
    faults.push({
      pointer: `${at}/${other}`,
      detail: `excludes ${first}; a group is made by one of percent, count and filter`,
    });
  if (group.percent !== null && !(group.percent > 0 && group.percent <= 100))
    faults.push({ pointer: `${at}/percent`, detail: 'must be above 0 and at most 100' });
  if (group.filter !== null) faults.push(...filterFaults(`${at}/filter`, group.filter));
  faults.push(...shareFault(`${at}/gate/minSuccess`, gate.minSuccess));
  if (gate.minSample !== 'all' && gate.minSample < 1)
    faults.push({ pointer: `${at}/gate/minSample`, detail: 'must be at least 1' });
  if (gate.confidence === null && gate.maxFailureRate !== null)
    faults.push({
      pointer: `${at}/gate/confidence`,
      detail: 'is required with maxFailureRate: how sure the test must be, such as 0.95',
    });
  if (gate.maxFailureRate === null && gate.confidence !== null)
    faults.push({
      pointer: `${at}/gate/maxFailureRate`,
      detail: 'is required with confidence: the failure rate that is allowed, such as 0.05',
    });
  for (const member of ['maxFailureRate', 'confidence'] as const) {
    const value = gate[member];
    if (value !== null && !(value > 0 && value < 1))
      faults.push({
        pointer: `${at}/gate/${member}`,
        detail: 'must lie between 0 and 1, and be neither: no number of devices proves that',
      });
  }
  if (approval?.onExpiry === 'abort' && approval.expiresAfter === null)
    faults.push({
      pointer: `${at}/approval/expiresAfter`,
      detail: 'is required with onExpiry abort: an approval without it never expires',
    });
  return faults;
}

function shareFault(pointer: string, share: number): Fault[] {
  return share >= 0 && share <= 1 ? [] : [{ pointer, detail: 'must be a share from 0 to 1' }];
}

function paceFaults({ pace }: Plan): Fault[] {
  if (pace.ramp === null || pace.ramp.from <= pace.startsPerMinute) return [];
  return [
    {
      pointer: '/pace/ramp/from',
      detail: `must not be above startsPerMinute (${pace.startsPerMinute}): a ramp only goes up to it`,
    },
  ];
}

function stopFaults(rules: readonly StopRule[]): Fault[] {
  return rules.flatMap((rule, index) => {
    const faults = shareFault(`/stopIf/${index}/share`, rule.share);
    const first = rules.findIndex((one) => ruleKey(one) === ruleKey(rule));
    return first === index
      ? faults
      : [...faults, { pointer: `/stopIf/${index}`, detail: `says what /stopIf/${first} says; each rule acts once` }];
  });
}

function scheduleFaults({ startAt, endAt }: Schedule, now: number, before: Schedule | undefined): Fault[] {
  const faults: Fault[] = [];
  for (const [member, time] of [
    ['startAt', startAt],
    ['endAt', endAt],
  ] as const) {
    if (time === null || time === before?.[member]) continue;
    if (time <= now) faults.push({ pointer: `/schedule/${member}`, detail: `lies in the past: it is ${iso(now)}` });
    if (time > now + MAX_AHEAD_MS)
      faults.push({ pointer: `/schedule/${member}`, detail: 'lies more than ten years ahead' });
  }
  if (startAt !== null && endAt !== null && endAt <= startAt)
    faults.push({ pointer: '/schedule/endAt', detail: 'must be later than startAt' });
  return faults;
}

function retryFaults({ retry: { backoff } }: Plan): Fault[] {
  return backoff.max >= backoff.first
    ? []
    : [{ pointer: '/retry/backoff/max', detail: `must not be shorter than first (${printDuration(backoff.first)})` }];
}

/** Four eyes have no effect without an approval: the author meant something else. */
function approvalFaults({ approval, groups }: Plan): Fault[] {
  if (!approval.fourEyes || approval.required > 0 || groups.some((group) => group.approval !== null)) return [];
  return [
    {
      pointer: '/approval/fourEyes',
      detail: 'needs an approval to look at; set approval.required, or the approval of a group',
    },
  ];
}

function round(percent: number): number {
  return Number(percent.toPrecision(6));
}
