import { STATES } from '../installation/states.js';

/** Everything that the history says of a device; what is not in this list is told by its own name. */
export const TIMELINE_EVENTS = [
  'requested',
  ...STATES,
  'turn',
  'released',
  'renumbered',
  'hello_asked',
  'cancel_requested',
  'cancel_refused',
  'slot',
] as const;
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
    `${requester(e)} asked for ${content(e)} in ${slot(e)}${text(e, 'retryOf') === undefined ? '' : ', once more'}`,
  // Back in `scheduled` is a retry; the first time nothing is written, it was requested.
  scheduled: (e) =>
    `attempt ${number(e, 'attempt')} to install ${content(e)} failed${error(e)}${text(e, 'nextActionAt') === undefined ? '' : `; the next one begins at ${text(e, 'nextActionAt')}`}`,
  queued: (e) => `${content(e)} waits for its turn on the device`,
  delivered: (e) => `${content(e)} was offered to the device`,
  accepted: (e) => `the device took the offer of ${content(e)}`,
  deferred: (e) =>
    `the device put ${content(e)} off${text(e, 'nextActionAt') === undefined ? '' : ` until ${text(e, 'nextActionAt')}`}`,
  downloading: (e) => `the device began to download ${content(e)}`,
  downloaded: (e) => `the device has downloaded ${content(e)}`,
  installing: (e) => `the device began to install ${content(e)}`,
  rebooting: (e) => `the device restarts into ${content(e)}`,
  confirming: (e) => `${content(e)} runs, and must prove itself`,
  installed: (e) =>
    e.data['alreadyInstalled'] === true ? `the slot held ${content(e)} already` : `${content(e)} is installed`,
  failed: (e) => `the installation of ${content(e)} failed${error(e)}`,
  rejected: (e) => `${content(e)} was rejected by ${who(e)}${error(e)}`,
  canceled: (e) => `the installation of ${content(e)} was canceled${error(e)}`,
  timed_out: (e) =>
    `the installation of ${content(e)} ran out of time in ${text(e, 'from') ?? 'its last state'}${error(e)}`,
  superseded: (e) => `${content(e)} gave way to another installation${error(e)}`,
  turn: (e) => `it is the turn of ${content(e)} on the device`,
  released: (e) => `${who(e)} released ${content(e)}, which was held after its download`,
  renumbered: (e) => `the offer of ${content(e)} was published anew, so that the device sees it`,
  hello_asked: (e) => `the device was asked to say hello, as nothing was heard of ${content(e)}`,
  cancel_requested: (e) => `${who(e)} asked to cancel ${content(e)}${error(e)}`,
  cancel_refused: (e) => `the device is too far to cancel ${content(e)}`,
  slot: (e) =>
    text(e, 'sha256') === undefined && text(e, 'version') === undefined
      ? `the device said that ${slot(e)} is empty`
      : `the device said that ${slot(e)} holds ${text(e, 'version') ?? `content ${text(e, 'sha256')!.slice(0, 12)}`}${e.data['confirmed'] === true ? '' : ', not yet confirmed'}`,
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
  const { error: told, reason } = data as { error?: { code: string; message?: string }; reason?: string };
  if (told?.code !== undefined) return `: ${told.code}${told.message ? ` (${told.message})` : ''}`;
  return reason ? `: ${reason}` : '';
}

/** `by` is `device:<node>`, `operator:<key>`, `rollout:<id>`, `process` or `service`. */
function who(entry: TimelineEntry): string {
  const by = text(entry, 'by') ?? 'the service';
  if (by.startsWith('device:')) return 'the device';
  if (by.startsWith('operator:')) return `operator ${by.slice('operator:'.length)}`;
  if (by.startsWith('rollout:')) return rolloutOf(entry) ?? 'a rollout';
  return by === 'process' ? 'its process' : `the ${by.replace(/^the /, '')}`;
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
