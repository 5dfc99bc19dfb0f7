import type { InstallationResource } from '../service/operator.js';

type Entry = InstallationResource['history'][number];

/** A device that took longer than this to answer was away. */
const PROMPT_MS = 3_000;
const REPORTS = ['accepted', 'downloaded', 'rebooting'];

/** How an installation came to its end, in one sentence: nothing but what its history says. */
export function story(installation: InstallationResource): string {
  const { history, deviceId } = installation;
  const end = history.at(-1);
  if (!end) return 'Its history is empty.';
  const clauses = [...waits(history), ...failures(history), ...ending(installation, end, deviceId)];
  const sentence = clauses.join('; ');
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}

/** What it waited for: a device that was away, one that put it off. */
function waits(history: readonly Entry[]): string[] {
  return history.flatMap((entry, index) => {
    const next = history[index + 1];
    if (!next) return [];
    const ms = timeOf(next) - timeOf(entry);
    if (entry.event === 'deferred') return [`was put off by the device for ${seconds(ms)}`];
    return entry.event === 'delivered' && byDevice(next) && ms > PROMPT_MS
      ? [`was offered ${seconds(ms)} before the device took it`]
      : [];
  });
}

/** Attempts that failed and were followed by another one. */
function failures(history: readonly Entry[]): string[] {
  return history.flatMap(({ event, data }) => {
    const error = data['error'] as { code?: string } | undefined;
    return event === 'scheduled' && error?.code !== undefined
      ? [`try ${String(data['attempt'])} failed with ${error.code}`]
      : [];
  });
}

function ending(
  { history, rejectReason, attempt, waitingOn }: InstallationResource,
  end: Entry,
  deviceId: string,
): string[] {
  const tried = attempt > 1 ? `try ${attempt} ` : '';
  switch (end.event) {
    case 'installed':
      return end.data['alreadyInstalled'] === true
        ? ['the slot held it already']
        : [...loaded(history, attempt, tried), confirmed(history, end, deviceId)];
    case 'failed':
    case 'rejected':
      return [
        ...loaded(history, attempt, tried),
        `${end.event === 'failed' ? 'failed' : 'was rejected'} with ${rejectReason ?? 'no reason'}`,
      ];
    case 'timed_out': {
      const before = history.at(-2);
      return [
        `timed out${before ? ` after ${seconds(timeOf(end) - timeOf(before))} in ${before.event}` : ''}: ${rejectReason ?? 'no reason'}`,
      ];
    }
    case 'canceled':
    case 'superseded':
      return [`was ${end.event}: ${rejectReason ?? 'no reason'}`];
    default:
      return [waitingOn?.replace(/\.$/, '') ?? `is ${end.event}`];
  }
}

/** How long the last attempt's download took, where it was reported. */
function loaded(history: readonly Entry[], attempt: number, tried: string): string[] {
  const of = (...events: string[]) =>
    history.find(({ event, data }) => events.includes(event) && data['attempt'] === attempt);
  const [from, to] = [of('downloading') ?? of('accepted'), of('downloaded')];
  return from && to ? [`${tried}downloaded in ${seconds(timeOf(to) - timeOf(from))}`] : [];
}

/** A status is numbered; a hello is not (docs/contracts/device-mqtt.md, "What confirms"). */
function confirmed(history: readonly Entry[], end: Entry, deviceId: string): string {
  const gateway = end.data['by'] !== `device:${deviceId}` && byDevice(end);
  const who = gateway ? 'its gateway' : 'it';
  const how =
    end.data['seq'] === undefined
      ? `${gateway ? "its gateway's" : 'its'} hello showed the new content`
      : `${who} reported it as installed`;
  const reboot = history.findLast(({ event }) => event === 'rebooting');
  const lost = REPORTS.filter((state) => !history.some(({ event }) => event === state));
  const after = reboot ? ` ${seconds(timeOf(end) - timeOf(reboot))} into the reboot` : '';
  return `${how}${after}${lost.length > 0 ? `, although "${lost.join('", "')}" never came in time` : ''}`;
}

function byDevice({ data }: Entry): boolean {
  return String(data['by']).startsWith('device:');
}

function timeOf({ at }: Entry): number {
  return Date.parse(at);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
