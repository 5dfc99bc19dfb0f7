import { spanOf, spanNow, type Moment, type Span } from './clock.js';
import type { Desired, ReportedState, Status } from '../../protocol/mqtt/payloads.js';

/**
 * What the agent must still know after `kill -9`: plain, JSON-safe data, one file. What a slot holds is not in here:
 * that stands beside the content (slot-files.ts), because a boot loader may change it behind the agent's back.
 */
export const PHASES = [
  'offered',
  'ignored',
  'deferred',
  'accepted',
  'downloading',
  'downloaded',
  'installing',
  'rebooting',
] as const;
/** How far a job is; it stands in the state file. */
export type Phase = (typeof PHASES)[number];

/** One attempt of one installation, as far as this device has come with it. */
export interface Job {
  readonly desired: Desired;
  readonly phase: Phase;
  /** Of the newest status; the next one bears one more. Starts anew in each attempt. */
  readonly seq: number;
  /** The newest status: said again after each connect, because the last one may have been lost. */
  readonly last: Status | null;
  /** With `deferred`: what is left until it is decided anew. Null = it waits for the document's time. */
  readonly wait: Span | null;
  /** Once the device has put it off: how long it may still do so by the document's policy. */
  readonly patience: Span | null;
  /** Where the document says `notBefore`: after so long it may begin, whatever the wall clock says (readiness.ts). */
  readonly begin: Span | null;
  /** The boot in which the reboot was asked for: another one means that it has happened. */
  readonly rebootFrom: string | null;
  /** How often the reboot was asked for. */
  readonly reboots: number;
  /** CANCEL_TOO_LATE has been said. */
  readonly tooLateSaid: boolean;
}

/** What the agent must remember of one slot. */
export interface SlotState {
  /** The highest revision that was seen: a lower or equal document is ignored, for ever. */
  readonly revision: number;
  readonly job: Job | null;
  /** What arrived while the present job could not be given up any more. */
  readonly next: Desired | null;
  /** How the last attempt ended: asked again about it, the agent says it again. */
  readonly ended: Status | null;
  /** What failed and may be tried again: its download is kept for the next attempt. Absent in files of older agents. */
  readonly kept?: KeptDownload | null;
}

/** The download of a failed attempt. */
export interface KeptDownload {
  readonly sha256: string;
  readonly size: number;
  /** After it no further attempt is expected. Absent in files of older agents. */
  readonly left?: Span | null;
}

/**
 * Between two attempts there is no document, and the service does not say when it has given up: a download is kept for
 * a day, which is longer than its pauses and shorter than a disk may be held for nothing. One that comes later is
 * fetched anew.
 */
export const KEPT_MS = 86_400_000;

/** The whole state file. `v` is its format; another one is not read. */
export interface AgentState {
  readonly v: 1;
  readonly slots: Readonly<Record<string, SlotState>>;
  /** Terminal reports that the service has not acknowledged yet, oldest first. */
  readonly unacknowledged: readonly Status[];
}

/** Of a device that never had work. */
export const EMPTY_STATE: AgentState = { v: 1, slots: {}, unacknowledged: [] };
const EMPTY_SLOT: SlotState = { revision: 0, job: null, next: null, ended: null, kept: null };

/** Which attempt is meant: a worker of an earlier attempt must not touch the one that took its place. */
export interface JobKey {
  readonly slot: string;
  readonly installationId: string;
  readonly attempt: number;
}

/** Reports that the service acknowledges on `down/ack` (docs/contracts/device-mqtt.md, "Topics"). */
export const TERMINAL_STATES: ReadonlySet<ReportedState | 'unknown'> = new Set<ReportedState>([
  'installed',
  'failed',
  'rejected',
  'canceled',
]);

/** An empty slot where nothing is remembered of it. */
export function slotOf(state: AgentState, slot: string): SlotState {
  return state.slots[slot] ?? EMPTY_SLOT;
}

/** A copy with this slot in the place of the one before. */
export function withSlot(state: AgentState, slot: string, next: SlotState): AgentState {
  return { ...state, slots: { ...state.slots, [slot]: next } };
}

/** A job that was just offered; whether it is taken is decided next. */
export function newJob(desired: Desired, now: Moment): Job {
  return {
    desired,
    phase: 'offered',
    seq: 0,
    last: null,
    wait: null,
    patience: null,
    begin: beginOf(desired, now),
    rebootFrom: null,
    reboots: 0,
    tooLateSaid: false,
  };
}

/**
 * The document was issued in the past, so its time comes at the latest when this span is over. A device whose clock was
 * never set would wait for years otherwise.
 */
export function beginOf({ notBefore, issuedAt }: Desired, now: Moment): Span | null {
  return notBefore === undefined ? null : spanOf(Date.parse(notBefore) - Date.parse(issuedAt), now);
}

/** Each span as it is now: written down like this, it goes on from here after a boot. */
export function withSpansAt(state: AgentState, now: Moment): AgentState {
  // Absent in files of older agents.
  const at = (span: Span | null | undefined) => (span ? spanNow(span, now) : null);
  return Object.entries(state.slots).reduce((next, [slot, held]) => {
    const { job, kept } = held;
    return withSlot(next, slot, {
      ...held,
      job: job && { ...job, wait: at(job.wait), patience: at(job.patience), begin: at(job.begin) },
      ...(kept && { kept: { ...kept, left: at(kept.left) ?? spanOf(KEPT_MS, now) } }),
    });
  }, state);
}

/** Only what says which attempt it is. */
export function keyOf({ slot, installationId, attempt }: JobKey): JobKey {
  return { slot, installationId, attempt };
}

/** A second attempt of an installation is another piece of work. */
export function isSameAttempt(
  a: { installationId: string; attempt: number },
  b: { installationId: string; attempt: number },
): boolean {
  return a.installationId === b.installationId && a.attempt === b.attempt;
}

/** What must not be cleared away: what is in work, what comes after it, and what will be tried again. */
export function wantedBy(state: AgentState): { sha256: string; size: number }[] {
  return Object.values(state.slots).flatMap(({ job, next, kept }) => [
    ...(job ? [job.desired.firmware] : []),
    ...(next ? [next.firmware] : []),
    ...(kept ? [kept] : []),
  ]);
}

/** Whether nothing has come to what must not be cleared away, and nothing has gone. */
export function wantsTheSame(a: AgentState, b: AgentState): boolean {
  const digests = (state: AgentState) => new Set(wantedBy(state).map(({ sha256 }) => sha256));
  const [before, after] = [digests(a), digests(b)];
  return before.size === after.size && [...before].every((digest) => after.has(digest));
}

/** From here on the slot may already be other than before: the job can only be brought to its end. */
export function isCommitted(job: Job): boolean {
  return job.phase === 'installing' || job.phase === 'rebooting';
}

/**
 * Whether a slot may hold other content than before: what was read of it in between must not be told after that. The
 * service would take it for what the device holds after the reboot.
 */
export function hasMoved(before: AgentState, after: AgentState): boolean {
  return Object.entries(after.slots).some(([slot, { job }]) => {
    const was = slotOf(before, slot).job;
    const isSame = was !== null && job !== null && isSameAttempt(was.desired, job.desired);
    return (was !== null && isCommitted(was) && !isSame) || (isSwapped(job) && !(isSame && isSwapped(was)));
  });
}

/** Whether a slot has just been filled, which its report `rebooting` tells next. */
export function isFilled(before: AgentState, after: AgentState): boolean {
  return Object.entries(after.slots).some(([slot, { job }]) => isSwapped(job) && !isSwapped(slotOf(before, slot).job));
}

function isSwapped(job: Job | null): boolean {
  return job?.phase === 'rebooting';
}

/** By slot: the content of which the agent has not seen the end yet. */
export function beingInstalled(state: AgentState): Record<string, { sha256: string; installationId: string }> {
  return Object.fromEntries(
    Object.entries(state.slots).flatMap(([slot, { job }]) => {
      if (job === null || !isCommitted(job)) return [];
      const { installationId, firmware } = job.desired;
      return [[slot, { installationId, sha256: firmware.sha256 }]];
    }),
  );
}
