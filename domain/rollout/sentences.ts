import { printDuration } from '../duration.js';
import { openOf, type Counters, type GroupFacts, type Pause, type RolloutFacts } from './facts.js';

/** What a rollout waits for, in one sentence each: dashboard, CLI, API and the Temporal UI print them as they are. */
export const describe = {
  draft: (missing: number) =>
    `Waits for somebody to start it${missing > 0 ? `; then it needs ${plural(missing, 'approval', 'approvals')}` : ''}.`,
  unapproved: (missing: number, since: number) =>
    `Waits for ${plural(missing, 'approval', 'approvals')}, since ${iso(since)}.`,
  aborting: (c: Counters) =>
    `Aborted; waits for ${plural(openOf(c), 'installation that is', 'installations that are')} open to end.`,
  paused: (pauses: readonly Pause[], c: Counters) =>
    `Paused: ${pauses.map((pause) => `${pause.because} (${pause.reason}, since ${iso(pause.since)})`).join('; ')}${openOf(c) > 0 ? `; ${plural(openOf(c), 'installation that is', 'installations that are')} open goes on` : ''}.`,
  nobodyReady: (waits: readonly GroupFacts[], open: number) => {
    const pending = waits.reduce((sum, group) => sum + group.counters.pending, 0);
    const retry = waits
      .map((group) => group.nextRetryAt)
      .filter((time) => time !== null)
      .sort((a, b) => a - b)[0];
    return `Waits for ${plural(pending, 'device', 'devices')} to come online${retry === undefined ? '' : `, or for a back-off to end at ${iso(retry)}`}${open > 0 ? `; ${open} in flight` : ''}.`;
  },
  rollingBack: (pending: number, open: number, group: string | null) =>
    `Rolls back: waits for ${plural(open, 'installation that is', 'installations that are')} open${pending > 0 ? `, and for ${plural(pending, 'device', 'devices')} whose turn has not come${group === null ? '' : `, those of group "${group}" first`}` : ''}.`,
  open: (facts: RolloutFacts, c: Counters) => {
    const size = facts.groups.reduce((sum, group) => sum + group.size, 0);
    return openOf(c) > 0
      ? `Waits for ${plural(openOf(c), 'installation that is', 'installations that are')} in flight, and stays open for devices that come to match.`
      : `Stays open for devices that come to match; ${plural(size, 'has', 'have')} so far, and ${c.installed + c.alreadyInstalled} hold the content.`;
  },
  running: (facts: RolloutFacts, c: Counters) => {
    const group = facts.groups.find((one) => one.openedAt !== null && one.passedAt === null);
    const open = openOf(c);
    if (group?.askedAt != null) return `Waits for an approval of group "${group.name}", since ${iso(group.askedAt)}.`;
    if (group?.soakingSince != null)
      return `Waits for the soak of group "${group.name}", since ${iso(group.soakingSince)}.`;
    return `Waits for ${plural(open, 'installation that is', 'installations that are')} in flight${group ? `, and for the gate of group "${group.name}"` : ''}.`;
  },
  duration: printDuration,
};

export function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function iso(time: number): string {
  return new Date(time).toISOString();
}
