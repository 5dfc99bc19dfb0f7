import { printDuration } from '../duration.js';
import { plural } from '../plural.js';
import { earliest } from '../times.js';
import { openOf, sizeOf, type Counters, type GroupFacts, type Pause, type RolloutFacts } from './facts.js';

/** What a rollout waits for, in one sentence each: dashboard, CLI, API and the Temporal UI print them as they are. */
export const describe = {
  /** `voided`: what voided votes that were given; null = nothing. */
  draft: (missing: number, voided: string | null) =>
    `Waiting to be started${missing > 0 ? `; it then needs ${plural(missing, 'approval')}${after(voided)}` : ''}.`,
  unapproved: (missing: number, since: number, voided: string | null) =>
    `Waiting for ${plural(missing, 'approval')}, since ${iso(since)}${after(voided)}.`,
  startTime: (startAt: number) => `Waiting for the start time, ${iso(startAt)}.`,
  aborting: (c: Counters) => `Aborting: waiting for ${plural(openOf(c), 'open installation')} to end.`,
  paused: (pauses: readonly Pause[], c: Counters) => {
    const open = `${c.inFlight > 0 ? `; ${plural(c.inFlight, 'open installation continues', 'open installations continue')}` : ''}${queued(c)}`;
    return `Paused: ${pauses.map((pause) => `${pause.because} (${pause.reason}, since ${iso(pause.since)})`).join('; ')}${open}.`;
  },
  suspended: (open: number) =>
    `Waiting for the tenant, which is suspended, to be active again${open > 0 ? `; ${plural(open, 'installation is', 'installations are')} open` : ''}.`,
  capacity: (c: Counters, cap: number) => `Waiting for capacity: ${c.inFlight} of ${cap} in flight${queued(c)}.`,
  startRate: (used: number, rate: number, until: number) =>
    `Waiting for the start rate: ${used} of ${plural(rate, 'start')} per minute used, until ${iso(until)}.`,
  /** No target of `waits`, the groups that have pending ones, can begin now. */
  noneReady: (facts: RolloutFacts, waits: readonly GroupFacts[], c: Counters) => {
    const held = heldBy(facts);
    const offline = offlineOf(waits);
    if (held !== undefined)
      return `${held}${offline === null || offline === 0 ? '' : `; ${plural(offline, 'device is', 'devices are')} not online`}.`;
    const retry = earliest(...waits.map((group) => group.nextRetryAt));
    const next = retry === null ? undefined : `the next retry at ${iso(retry)}`;
    const devices =
      offline === null || (offline === 0 && next) ? undefined : `${plural(offline, 'device')} to come online`;
    const away = waits.find((group) => group.away > 0);
    const open = `${c.inFlight > 0 ? `; ${c.inFlight} in flight` : ''}${queued(c)}`;
    return `Waiting for ${[devices, next].filter((one) => one !== undefined).join(', or for ')}${open}${away === undefined ? '' : `; ${away.away} of ${plural(sizeOf(away), 'target')} of group "${away.name}" ${away.away === 1 ? 'is' : 'are'} away`}.`;
  },
  rollingBack: (pending: number, open: number, group: string | null) =>
    `Rolling back: waiting for ${[
      ...(open > 0 || pending === 0 ? [plural(open, 'open installation')] : []),
      ...(pending > 0
        ? [`${plural(pending, 'device')} to start${group === null ? '' : `, group "${group}" first`}`]
        : []),
    ].join(' and for ')}.`,
  open: (facts: RolloutFacts, c: Counters) => {
    const held = heldBy(facts);
    if (held !== undefined) return `${held}.`;
    const size = facts.groups.reduce((sum, group) => sum + group.size, 0);
    return openOf(c) > 0
      ? `Waiting for ${openInstallations(c)}, and for devices that match later.`
      : `Waiting for devices that match later: ${plural(size, 'target')} so far, ${c.installed + c.alreadyInstalled} with the content.`;
  },
  running: (facts: RolloutFacts, c: Counters) => {
    const held = heldBy(facts);
    if (held !== undefined) return `${held}.`;
    const group = judged(facts);
    return `Waiting for ${openInstallations(c)}${group ? `, and for the gate of group "${group.name}"` : ''}.`;
  },
  duration: printDuration,
};

function after(voided: string | null): string {
  return voided === null ? '' : `: ${voided}`;
}

/** The group whose gate is judged, or whose soak or approval is waited for. */
function judged({ groups }: RolloutFacts): GroupFacts | undefined {
  return groups.find((one) => one.openedAt !== null && one.passedAt === null);
}

/** The person or the soak that is waited for; undefined = neither. */
function heldBy(facts: RolloutFacts): string | undefined {
  const group = judged(facts);
  if (group?.askedAt != null) return `Waiting for approval of group "${group.name}", since ${iso(group.askedAt)}`;
  return group?.soakingSince != null
    ? `Waiting for the soak of group "${group.name}", since ${iso(group.soakingSince)}`
    : undefined;
}

/** Pending targets that are not online: all but those in a back-off. null = not known, there are too many of these. */
function offlineOf(waits: readonly GroupFacts[]): number | null {
  return waits.reduce<number | null>(
    (sum, { counters, retrying }) => (sum === null || retrying === null ? null : sum + counters.pending - retrying),
    0,
  );
}

/** What is open, by what it waits for: an end, or its turn on its device. */
function openInstallations(c: Counters): string {
  const behind = `${plural(c.queued, 'installation')} queued behind ${c.queued === 1 ? 'another' : 'others'} on ${c.queued === 1 ? 'its device' : 'their devices'}`;
  const flying = `${plural(c.inFlight, 'installation')} in flight`;
  return c.queued === 0 ? flying : c.inFlight === 0 ? behind : `${flying} and ${behind}`;
}

function queued(c: Counters): string {
  return c.queued === 0 ? '' : `; ${c.queued} queued behind other installations`;
}

/** Epoch milliseconds as RFC 3339 in UTC, for sentences. */
export function iso(time: number): string {
  return new Date(time).toISOString();
}
