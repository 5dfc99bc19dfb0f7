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
export type Phase = (typeof PHASES)[number];

/** One attempt of one installation, as far as this device has come with it. */
export interface Job {
  readonly desired: Desired;
  readonly phase: Phase;
  /** Of the newest status; the next one bears one more. Starts anew in each attempt. */
  readonly seq: number;
  /** The newest status: said again after each connect, because the last one may have been lost. */
  readonly last: Status | null;
  /** With `deferred`: when it is decided anew. Epoch milliseconds. */
  readonly until: number | null;
  /** Since when it has been put off; the policy's limit counts from here. */
  readonly deferredSince: number | null;
  /** The boot in which the reboot was asked for: another one means that it has happened. */
  readonly rebootFrom: string | null;
  /** How often the reboot was asked for. */
  readonly reboots: number;
  /** CANCEL_TOO_LATE has been said. */
  readonly tooLateSaid: boolean;
}

export interface SlotState {
  /** The highest revision that was seen: a lower or equal document is ignored, for ever. */
  readonly revision: number;
  readonly job: Job | null;
  /** What arrived while the present job could not be given up any more. */
  readonly next: Desired | null;
  /** How the last attempt ended: asked again about it, the agent says it again. */
  readonly ended: Status | null;
  /** What failed and may be tried again: its download is kept for the next attempt. Absent in files of older agents. */
  readonly kept?: { readonly sha256: string; readonly size: number } | null;
}

export interface AgentState {
  readonly v: 1;
  readonly slots: Readonly<Record<string, SlotState>>;
  /** Terminal reports that the service has not acknowledged yet, oldest first. */
  readonly unacknowledged: readonly Status[];
}

export const EMPTY_STATE: AgentState = { v: 1, slots: {}, unacknowledged: [] };
const EMPTY_SLOT: SlotState = { revision: 0, job: null, next: null, ended: null, kept: null };

/** Which attempt is meant: whoever worked on it in the meantime must not touch the one that took its place. */
export interface JobKey {
  readonly slot: string;
  readonly installationId: string;
  readonly attempt: number;
}

export const TERMINAL_STATES: ReadonlySet<ReportedState | 'unknown'> = new Set<ReportedState>([
  'installed',
  'failed',
  'rejected',
  'canceled',
]);

export function slotOf(state: AgentState, slot: string): SlotState {
  return state.slots[slot] ?? EMPTY_SLOT;
}

export function withSlot(state: AgentState, slot: string, next: SlotState): AgentState {
  return { ...state, slots: { ...state.slots, [slot]: next } };
}

export function newJob(desired: Desired): Job {
  return {
    desired,
    phase: 'offered',
    seq: 0,
    last: null,
    until: null,
    deferredSince: null,
    rebootFrom: null,
    reboots: 0,
    tooLateSaid: false,
  };
}

export function keyOf({ slot, installationId, attempt }: JobKey): JobKey {
  return { slot, installationId, attempt };
}

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

/** From here on the slot may already be other than before: the job can only be brought to its end. */
export function isCommitted(job: Job): boolean {
  return job.phase === 'installing' || job.phase === 'rebooting';
}
