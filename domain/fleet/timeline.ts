import { reporterOf } from './reporter.js';
import { DEVICE_EVENTS, INSTALLATION_EVENTS } from '../webhook/event-names.js';

/** Everything that the history says of a device; what is not in this list is told by its own name. */
export const TIMELINE_EVENTS = [...INSTALLATION_EVENTS, ...DEVICE_EVENTS] as const;
/** A name of an event that has a sentence of its own. */
export type TimelineEvent = (typeof TIMELINE_EVENTS)[number];

/** One entry of the history of a device, with the names of what it is about. */
export interface TimelineEntry {
  readonly at: number;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly installationId: string | null;
  readonly slot: string | null;
  /** Of the firmware that the installation is about: its version, or its name where it has none. */
  readonly content: string | null;
  readonly rollout: { readonly id: string; readonly name: string } | null;
  /** Whose history it is; absent = a device speaks for itself. */
  readonly deviceId?: string;
}

/** What happened, in one sentence for a person who does not know the states. */
export function sentenceOf(entry: TimelineEntry): string {
  const tell = (SENTENCES as Partial<Record<string, Tell>>)[entry.event];
  const sentence = tell ? tell(entry) : `${entry.event.replaceAll('_', ' ')}, by ${who(entry)}`;
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}

type Tell = (entry: TimelineEntry) => string;

const SENTENCES = {
  requested: (e) =>
    `${requester(e)} requested ${content(e)} for ${slot(e)}${text(e, 'retryOf') === undefined ? '' : ', again'}`,
  // Back in `scheduled` is a retry; the first time nothing is written, it was requested.
  scheduled: (e) =>
    `attempt ${number(e, 'attempt')} to install ${content(e)} failed${error(e)}${text(e, 'nextActionAt') === undefined ? '' : `; the next attempt starts at ${text(e, 'nextActionAt')}`}`,
  queued: (e) => `${content(e)} waits for its turn on the device`,
  delivered: (e) => `${content(e)} was offered to the device`,
  accepted: (e) => told(e, `the device accepted the offer of ${content(e)}`),
  deferred: (e) =>
    told(
      e,
      `the device deferred ${content(e)}${text(e, 'nextActionAt') === undefined ? '' : ` until ${text(e, 'nextActionAt')}`}`,
    ),
  downloading: (e) => told(e, `the device started to download ${content(e)}`),
  downloaded: (e) => told(e, `the device downloaded ${content(e)}`),
  installing: (e) => told(e, `the device started to install ${content(e)}`),
  rebooting: (e) => told(e, `the device reboots into ${content(e)}`),
  confirming: (e) => told(e, `${content(e)} runs and must pass its soak`),
  installed: (e) =>
    e.data['alreadyInstalled'] === true ? `the slot already held ${content(e)}` : `${content(e)} is installed`,
  failed: (e) => told(e, `the installation of ${content(e)} failed${error(e)}`),
  rejected: (e) => `${content(e)} was rejected by ${who(e)}${error(e)}`,
  canceled: (e) => `the installation of ${content(e)} was canceled${error(e)}`,
  timed_out: (e) => `the installation of ${content(e)} timed out in ${text(e, 'from') ?? 'its last state'}${error(e)}`,
  superseded: (e) => `${content(e)} was superseded by another installation${error(e)}`,
  turn: (e) => `${content(e)} has its turn on the device`,
  released: (e) => `${who(e)} released ${content(e)}, which was held after its download`,
  renumbered: (e) => `the offer of ${content(e)} was published again with a higher revision`,
  hello_asked: (e) => `the device was asked for a hello, because it had not reported on ${content(e)}`,
  cancel_requested: (e) => `${who(e)} requested the cancellation of ${content(e)}${error(e)}`,
  cancel_refused: (e) => `${who(e)} reported that it is too late to cancel ${content(e)}`,
  slot: (e) => {
    const sha256 = text(e, 'sha256');
    const held = text(e, 'version') ?? (sha256 === undefined ? undefined : `content ${sha256.slice(0, 12)}`);
    const by = text(e, 'by');
    const reporter = by === undefined ? 'the device' : reporterOf(by, e.deviceId);
    if (held === undefined)
      return reporter === undefined
        ? `it is not known what ${slot(e)} holds`
        : `${reporter} reported ${slot(e)} without a version and a digest: what it holds is not known`;
    return `${reporter === undefined ? '' : `${reporter} reported that `}${slot(e)} holds ${held}${e.data['confirmed'] === true ? '' : ', not yet confirmed'}`;
  },
  offline: (e) =>
    `the device counts as offline: nothing was heard from it${text(e, 'lastSeenAt') === undefined ? '' : ` since ${text(e, 'lastSeenAt')}`}, and it did not answer when it was asked for a hello`,
  online: (e) =>
    `the device was heard again and is online${text(e, 'silentSince') === undefined ? '' : `; it was silent since ${text(e, 'silentSince')}`}`,
} as const satisfies Record<TimelineEvent, Tell>;

function text(entry: TimelineEntry, member: string): string | undefined {
  const value = entry.data[member];
  return typeof value === 'string' ? value : undefined;
}

function number(entry: TimelineEntry, member: string): string {
  const value = entry.data[member];
  return typeof value === 'number' ? String(value) : '?';
}

function slot(entry: TimelineEntry): string {
  const name = entry.slot ?? text(entry, 'slot');
  return name === undefined ? 'a slot' : `slot "${name}"`;
}

function content(entry: TimelineEntry): string {
  return entry.content === null ? 'the firmware' : `firmware ${entry.content}`;
}

/** `: <reason>`, where a reason or an error is known. */
function error({ data }: TimelineEntry): string {
  const { error: cause, reason } = data as { error?: { code: string; message?: string }; reason?: string };
  if (cause?.code !== undefined) return `: ${cause.code}${cause.message ? ` (${cause.message})` : ''}`;
  return reason ? `: ${reason}` : '';
}

/** `by` is `device:<node>`, `operator:<key>`, `rollout:<id>`, `process` or `service`. */
function who(entry: TimelineEntry): string {
  const by = text(entry, 'by') ?? 'the service';
  const reporter = reporterOf(by, entry.deviceId);
  if (reporter !== undefined) return reporter;
  if (by.startsWith('rollout:')) return rolloutOf(entry) ?? 'a rollout';
  return by === 'process' ? 'its process' : `the ${by.replace(/^the /, '')}`;
}

/** What the device did, by its own word; by the word of another it is said whose. */
function told(entry: TimelineEntry, did: string): string {
  const reporter = reporterOf(text(entry, 'by'), entry.deviceId);
  return reporter === undefined || reporter === 'the device' ? did : `${reporter} reported that ${did}`;
}

function requester(entry: TimelineEntry): string {
  const group = text(entry, 'group');
  const attempt = entry.data['rolloutAttempt'];
  const rollout = rolloutOf(entry);
  if (rollout === undefined) return who(entry);
  return `${rollout}${group === undefined ? '' : `, group "${group}",`}${typeof attempt === 'number' && attempt > 1 ? ` in attempt ${attempt}` : ''}`;
}

function rolloutOf({ rollout }: TimelineEntry): string | undefined {
  return rollout === null ? undefined : `rollout "${rollout.name}"`;
}
