import { leftOf, spanOf, type Moment } from './clock.js';
import { statusReceipt, type Desired, type ReportedState, type Status } from '../../protocol/mqtt/payloads.js';
import {
  beginOf,
  isCommitted,
  isSameAttempt,
  KEPT_MS,
  newJob,
  slotOf,
  TERMINAL_STATES,
  withSlot,
  withSpansAt,
  type AgentState,
  type Job,
  type JobKey,
  type Phase,
  type SlotState,
} from './state.js';

/**
 * The device's state machine: pure. What arrives and what the worker achieved are functions from state to Change; the
 * agent makes a Change durable before it says or does anything about it (docs/contracts/device-mqtt.md).
 */
export interface Change {
  readonly state: AgentState;
  /** To be published, in this order. */
  readonly say: readonly Status[];
  /** Slots on which a running step must stop. */
  readonly stop: readonly string[];
}

/** A state to report, and what goes with it (docs/contracts/device-mqtt.md, "Payloads"). */
export interface Said {
  readonly state: ReportedState;
  readonly error?: { readonly code: string; readonly message: string; readonly retriable: boolean };
  /** With `deferred`: for how long, milliseconds. */
  readonly forMs?: number;
}

/**
 * Reports without an acknowledgement must not fill the disk: older ones are dropped. A device has one at a time, rarely
 * two.
 */
const MOST_UNACKNOWLEDGED = 32;

const unchanged = (state: AgentState): Change => ({ state, say: [], stop: [] });

/** A document arrived (null = the slot's document was cleared). */
export function documentArrived(state: AgentState, slot: string, desired: Desired | null, now: Moment): Change {
  if (desired === null) return withdrawn(state, slot, now);
  const before = slotOf(state, slot);
  if (desired.revision <= before.revision) return unchanged(state);
  const seen = withSlot(state, slot, { ...before, revision: desired.revision });
  const { job, ended } = before;
  if (job === null)
    return ended !== null && isSameAttempt(ended, desired) ? saidAgain(seen, ended) : offered(seen, slot, desired, now);
  // The same attempt in a new revision: the gate opens, the link is fresh.
  if (isSameAttempt(job.desired, desired))
    return unchanged(
      withSlot(seen, slot, {
        ...slotOf(seen, slot),
        job: { ...job, desired, begin: beginOf(desired, now) },
        next: null,
      }),
    );
  const foreign = job.desired.installationId !== desired.installationId;
  if (isCommitted(job)) {
    const queued = withSlot(seen, slot, { ...slotOf(seen, slot), next: desired });
    return foreign ? tooLate(queued, slot, now) : unchanged(queued);
  }
  const given = foreign ? canceled(seen, slot, now) : dropped(seen, slot);
  return followed(given, offered(given.state, slot, desired, now));
}

/** `cmd cancel`. Without an id it means whatever is open. */
export function cancelAsked(state: AgentState, installationId: string | undefined, now: Moment): Change {
  return Object.keys(state.slots).reduce<Change>((change, slot) => {
    const { job, next, ended } = slotOf(change.state, slot);
    const isMeant = (id: string | undefined) => id !== undefined && (installationId ?? id) === id;
    if (isMeant(job?.desired.installationId)) return followed(change, stopped(change.state, slot, now));
    if (isMeant(next?.installationId))
      return followed(change, unchanged(withSlot(change.state, slot, { ...slotOf(change.state, slot), next: null })));
    // Its end was said and perhaps lost: a repeated question means that it was lost.
    return installationId !== undefined && ended?.installationId === installationId
      ? followed(change, saidAgain(change.state, ended))
      : change;
  }, unchanged(state));
}

/**
 * The service's answer to a hello: what is not named under `open` is withdrawn, unless it is being installed. Only what
 * the hello knew of (`told`: slot → revision) can be meant: a document that was published while the answer was under
 * way is not.
 */
export function helloAnswered(
  state: AgentState,
  reportedRevisions: Readonly<Record<string, number>>,
  open: Readonly<Record<string, { installationId: string }>>,
  now: Moment,
): Change {
  return Object.keys(state.slots).reduce<Change>((change, slot) => {
    const { job } = slotOf(change.state, slot);
    if (job === null || isCommitted(job) || job.desired.revision > (reportedRevisions[slot] ?? 0)) return change;
    return open[slot]?.installationId === job.desired.installationId
      ? change
      : followed(change, canceled(change.state, slot, now));
  }, unchanged(state));
}

/** The service's receipt for a terminal status, whatever it made of it. */
export function acknowledged(state: AgentState, receipt: string): Change {
  const unacknowledged = state.unacknowledged.filter((status) => statusReceipt(status) !== receipt);
  return unchanged(unacknowledged.length === state.unacknowledged.length ? state : { ...state, unacknowledged });
}

/**
 * The worker has come to `phase`. Null where the attempt is not in work any more, or was stopped before it could be
 * committed.
 */
export function advanced(
  state: AgentState,
  key: JobKey,
  phase: Phase,
  now: Moment,
  said: Said | null,
  also: Partial<Job> = {},
): Change | null {
  const job = jobOf(state, key);
  if (job === null) return null;
  return stored(
    state,
    key.slot,
    said === null ? { ...job, ...also, phase } : spoken({ ...job, ...also, phase }, said, now),
    said !== null,
  );
}

/** The attempt has ended. Null where it is not in work any more. */
export function ended(state: AgentState, key: JobKey, said: Said, now: Moment): Change | null {
  return jobOf(state, key) === null ? null : finished(state, key.slot, said, now);
}

/** The service does not know this device under this node any more: whatever is not being installed is withdrawn. */
export function disowned(state: AgentState, now: Moment): Change {
  return Object.keys(state.slots).reduce<Change>((change, slot) => {
    const { job } = slotOf(state, slot);
    return job === null || isCommitted(job) ? change : followed(change, canceled(change.state, slot, now));
  }, unchanged(state));
}

/** After a start what had been verified is verified again, from the download on: files may have suffered meanwhile. */
export function restarted(state: AgentState, now: Moment): AgentState {
  const again = Object.entries(state.slots).reduce(
    (next, [slot, held]) =>
      held.job?.phase === 'downloaded'
        ? withSlot(next, slot, { ...held, job: { ...held.job, phase: 'downloading' } })
        : next,
    state,
  );
  return withSpansAt(again, now);
}

/**
 * Lets go of downloads that are kept for a further attempt.
 * @param which `old` = those for which it does not come any more; `all` = there is no room for another download
 * @returns null where none is kept
 */
export function keptGivenUp(state: AgentState, which: 'old' | 'all', now: Moment): Change | null {
  const isKept = Object.values(state.slots).some(({ kept }) => kept);
  if (!isKept) return null;
  const at = withSpansAt(state, now);
  return unchanged(
    Object.entries(at.slots).reduce(
      (next, [slot, held]) =>
        held.kept && (which === 'all' || !held.kept.left || leftOf(held.kept.left, now) === 0)
          ? withSlot(next, slot, { ...held, kept: null })
          : next,
      at,
    ),
  );
}

function jobOf(state: AgentState, key: JobKey): Job | null {
  const { job } = slotOf(state, key.slot);
  return job !== null && isSameAttempt(job.desired, key) ? job : null;
}

function offered(state: AgentState, slot: string, desired: Desired, now: Moment): Change {
  return unchanged(
    withSlot(state, slot, { ...slotOf(state, slot), job: newJob(desired, now), next: null, kept: null }),
  );
}

function withdrawn(state: AgentState, slot: string, now: Moment): Change {
  const held = slotOf(state, slot);
  const without = held.next === null ? state : withSlot(state, slot, { ...held, next: null });
  return held.job === null ? unchanged(without) : stopped(without, slot, now);
}

function stopped(state: AgentState, slot: string, now: Moment): Change {
  const { job } = slotOf(state, slot);
  if (job === null) return unchanged(state);
  return isCommitted(job) ? tooLate(state, slot, now) : canceled(state, slot, now);
}

/** Who never answered the offer does not answer its withdrawal either. */
function canceled(state: AgentState, slot: string, now: Moment): Change {
  return slotOf(state, slot).job?.phase === 'ignored'
    ? dropped(state, slot)
    : finished(state, slot, { state: 'canceled' }, now);
}

function dropped(state: AgentState, slot: string): Change {
  return { state: withSlot(state, slot, { ...slotOf(state, slot), job: null }), say: [], stop: [slot] };
}

/** It goes on to its normal end, and says so once (docs/contracts/device-mqtt.md, "Cancel"). */
function tooLate(state: AgentState, slot: string, now: Moment): Change {
  const { job } = slotOf(state, slot);
  if (job === null || job.tooLateSaid) return unchanged(state);
  const error = { code: 'CANCEL_TOO_LATE', message: 'it is already being installed', retriable: false };
  return stored(
    state,
    slot,
    spoken(
      { ...job, tooLateSaid: true },
      { state: job.phase === 'rebooting' ? 'rebooting' : 'installing', error },
      now,
    ),
    true,
  );
}

function finished(state: AgentState, slot: string, said: Said, now: Moment): Change {
  const held = slotOf(state, slot);
  if (held.job === null) return unchanged(state);
  const { last } = spoken(held.job, said, now);
  const { sha256, size } = held.job.desired.firmware;
  const kept =
    said.state === 'failed' && said.error?.retriable === true ? { sha256, size, left: spanOf(KEPT_MS, now) } : null;
  const next: SlotState = {
    ...held,
    job: held.next === null ? null : newJob(held.next, now),
    next: null,
    ended: last,
    kept,
  };
  return { state: withReport(withSlot(state, slot, next), last), say: last === null ? [] : [last], stop: [slot] };
}

function saidAgain(state: AgentState, status: Status): Change {
  return { state: withReport(state, status), say: [status], stop: [] };
}

function withReport(state: AgentState, status: Status | null): AgentState {
  if (status === null || !TERMINAL_STATES.has(status.state)) return state;
  const others = state.unacknowledged.filter((other) => statusReceipt(other) !== statusReceipt(status));
  return { ...state, unacknowledged: [...others, status].slice(-MOST_UNACKNOWLEDGED) };
}

function stored(state: AgentState, slot: string, job: Job, isSaid: boolean): Change {
  return {
    state: withSlot(state, slot, { ...slotOf(state, slot), job }),
    say: isSaid && job.last !== null ? [job.last] : [],
    stop: [],
  };
}

function spoken(job: Job, { forMs, ...said }: Said, now: Moment): Job {
  const { desired } = job;
  const seq = job.seq + 1;
  const last: Status = {
    v: 1,
    installationId: desired.installationId,
    attempt: desired.attempt,
    seq,
    revision: desired.revision,
    slot: desired.slot,
    at: now.wall,
    ...(said.state === 'installed' && { version: desired.firmware.version }),
    ...said,
    // The service counts `until` from `at`: both are of this clock, whatever it shows.
    ...(forMs !== undefined && { until: now.wall + forMs, forSeconds: Math.ceil(forMs / 1_000) }),
  };
  return { ...job, seq, last };
}

function followed(first: Change, then: Change): Change {
  return { state: then.state, say: [...first.say, ...then.say], stop: [...first.stop, ...then.stop] };
}
