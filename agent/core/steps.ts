import { setTimeout as pause } from 'node:timers/promises';
import { assertNever } from '../../domain/assert-never.js';
import { leftOf, momentOf, spanOf, type Clock, type Moment } from './clock.js';
import { isHalted, type Decision, type Hooks, type Point } from './hooks.js';
import { InstallError, isInstallError, type Installer } from './installer.js';
import { advanced, ended, type Change, type Said } from './machine.js';
import { untilBegin } from './readiness.js';
import type { SharedDownloads } from './shared-downloads.js';
import { keyOf, type AgentState, type Job, type JobKey, type Phase } from './state.js';
import type { Timings } from './timings.js';
import { isDiskFull, messageOf } from './write-file.js';

/** What the steps work with. */
export interface Bench {
  readonly slots: readonly string[];
  readonly installer: Installer;
  readonly hooks: Hooks;
  readonly downloads: SharedDownloads;
  readonly timings: Timings;
  readonly clock: Clock;
  /**
   * Makes a change durable, then says it. @returns false where `decide` found that the attempt is not in work any more.
   */
  change(decide: (state: AgentState) => Change | null): Promise<boolean>;
  progress(job: Job, phase: 'download' | 'push', bytes: number): void;
  /** Says what the slots hold, after a boot that the agent outlived. */
  booted(): Promise<void>;
  /** Removes the downloads that are kept for later attempts. */
  needsRoom(): Promise<void>;
  /** Waits until the broker has what was said, or the deadline (milliseconds). */
  drained(deadlineMs: number): Promise<void>;
  note(phase: string, detail: string, slot: string | null): void;
}

type Step = (bench: Bench, job: Job, signal: AbortSignal) => Promise<void>;

/** What is done in each phase. Each step may be taken again after a crash, and ends in a change of phase. */
export const STEPS: Record<Exclude<Phase, 'ignored'>, Step> = {
  offered,
  deferred,
  accepted,
  downloading,
  downloaded,
  installing,
  rebooting,
};

async function offered(bench: Bench, job: Job): Promise<void> {
  const { desired } = job;
  if (!bench.slots.includes(desired.slot)) {
    return end(bench, job, {
      state: 'rejected',
      error: { code: 'UNSUPPORTED', message: `this device has no slot "${desired.slot}"`, retriable: false },
    });
  }
  bench.note(
    'offered',
    `${desired.firmware.name} ${desired.firmware.version}, attempt ${desired.attempt}`,
    desired.slot,
  );
  const forMs = untilBegin(job, momentOf(bench.clock));
  if (forMs > 0) return void (await move(bench, job, 'deferred', { state: 'deferred', forMs }, { wait: null }));
  await answer(bench, job, await decided(bench, job));
}

async function answer(bench: Bench, job: Job, decision: Decision): Promise<void> {
  switch (decision.answer) {
    case 'accept':
      return accept(bench, job);
    case 'ignore':
      return void (await move(bench, job, 'ignored', null));
    case 'defer':
      return putOff(bench, job, decision.forMs);
    case 'reject':
    case 'fail': {
      const { code, message, retriable } = decision;
      return end(bench, job, {
        state: decision.answer === 'reject' ? 'rejected' : 'failed',
        error: { code, message, retriable },
      });
    }
    default:
      return assertNever(decision);
  }
}

/** The device may put it off, but no longer than the policy allows; then it is accepted. */
async function decided({ hooks, clock }: Bench, job: Job): Promise<Decision> {
  const decision: Decision = (await hooks.offered?.(job.desired)) ?? { answer: 'accept' };
  if (decision.answer !== 'defer') return decision;
  const now = momentOf(clock);
  const left = leftOf(patienceOf(job, now), now);
  return left === 0 ? { answer: 'accept' } : { answer: 'defer', forMs: Math.min(decision.forMs, left) };
}

async function putOff(bench: Bench, job: Job, forMs: number): Promise<void> {
  const now = momentOf(bench.clock);
  const spans = { wait: spanOf(forMs, now), patience: patienceOf(job, now) };
  await move(bench, job, 'deferred', { state: 'deferred', forMs }, spans);
}

function patienceOf({ patience, desired: { policy } }: Job, now: Moment) {
  return patience ?? spanOf(policy.maxDeferSeconds * 1_000, now);
}

async function accept(bench: Bench, job: Job): Promise<void> {
  try {
    await assertReachable(bench);
    if (await holdsAlready(bench, job)) return await end(bench, job, { state: 'installed' });
  } catch (error) {
    if (!isInstallError(error)) throw error;
    return endAs(bench, job, error);
  }
  await move(bench, job, 'accepted', { state: 'accepted' });
  await at(bench, 'accepted', job);
}

async function holdsAlready({ installer }: Bench, { desired: { slot, firmware } }: Job): Promise<boolean> {
  const held = (await installer.current([slot]))[slot];
  return held?.sha256 === firmware.sha256 && held.confirmed && (await installer.holds(slot, firmware.sha256));
}

async function assertReachable({ installer }: Bench): Promise<void> {
  if ((await installer.reachable?.()) === false)
    throw new InstallError('CHILD_UNREACHABLE', 'the gateway does not reach the device', true);
}

async function deferred(bench: Bench, job: Job): Promise<void> {
  await move(bench, job, 'offered', null, { wait: null });
}

async function accepted(bench: Bench, job: Job): Promise<void> {
  await move(bench, job, 'downloading', { state: 'downloading' });
  await at(bench, 'downloading', job);
}

async function downloading(bench: Bench, job: Job, signal: AbortSignal): Promise<void> {
  const { desired } = job;
  try {
    await bench.downloads.fetch(desired, {
      received: async (bytes, offset) => (await bench.hooks.received?.({ bytes, offset, desired })) ?? bytes,
      progress: (bytes) => bench.progress(job, 'download', bytes),
      needsRoom: () => bench.needsRoom(),
      copiedTo: await bench.installer.copiesTo?.(desired.slot),
      retrying: (reason, bytes) => bench.note('retrying', `${reason}; goes on at byte ${bytes}`, desired.slot),
      signal,
    });
  } catch (error) {
    return failed(bench, job, error, signal, 'DOWNLOAD_FAILED');
  }
  await at(bench, 'verified', job);
  await move(bench, job, 'downloaded', { state: 'downloaded' });
  await at(bench, 'downloaded', job);
}

/** Ready only when the gate is open. From this change on a cancellation comes too late. */
async function downloaded(bench: Bench, job: Job, signal: AbortSignal): Promise<void> {
  try {
    await assertReachable(bench);
  } catch (error) {
    return failed(bench, job, error, signal, 'CHILD_UNREACHABLE');
  }
  await move(bench, job, 'installing', { state: 'installing' });
}

async function installing(bench: Bench, job: Job, signal: AbortSignal): Promise<void> {
  const { desired } = job;
  await at(bench, 'installing', job);
  try {
    await verifyAgain(bench, job, signal);
    await bench.installer.install(desired.slot, bench.downloads.pathOf(desired), desired, {
      pushed: (bytes) => bench.progress(job, 'push', bytes),
      output: (line) => bench.note('output', line, desired.slot),
      signal,
    });
  } catch (error) {
    return failed(bench, job, error, signal, 'INSTALL_FAILED');
  }
  await move(bench, job, 'rebooting', { state: 'rebooting' }, { rebootFrom: bench.installer.bootId() });
}

/**
 * Days may lie between the download and the gate, and a disk or another program may have changed the file. Where a
 * crash came in the middle, the content may be in the slot, and the file gone.
 */
async function verifyAgain({ downloads, installer }: Bench, { desired }: Job, signal: AbortSignal): Promise<void> {
  try {
    await downloads.verify(desired, signal);
  } catch (error) {
    if (!isInstallError(error) || !(await installer.holds(desired.slot, desired.firmware.sha256))) throw error;
  }
}

const REBOOTS = 3;

/**
 * Of the device itself the agent usually does not come back from here: its next start finds another boot id, and what
 * the slot holds then.
 */
async function rebooting(bench: Bench, job: Job, signal: AbortSignal): Promise<void> {
  try {
    await goDown(bench, job, signal);
  } catch (error) {
    if (!isInstallError(error)) throw error;
    return failed(bench, job, error, signal, 'INSTALL_FAILED');
  }
}

async function goDown(bench: Bench, job: Job, signal: AbortSignal): Promise<void> {
  if (hasBooted(bench, job)) return settle(bench, job, signal);
  if (job.reboots > 0) await bench.installer.earlierReboot?.(signal);
  if (job.reboots >= REBOOTS) return judge(bench, job, signal);
  await at(bench, 'rebooting', job);
  await move(bench, job, 'rebooting', null, { reboots: job.reboots + 1 });
  await bench.drained(bench.timings.drain);
  bench.note('reboot', '', job.desired.slot);
  if ((await bench.installer.reboot(signal)) === 'booted') return settle(bench, job, signal);
  await pause(bench.timings.reboot, undefined, { signal });
}

/**
 * A gateway that was stopped in the middle of each reboot of its child does not know how they went, but the child does.
 */
async function judge(bench: Bench, job: Job, signal: AbortSignal): Promise<void> {
  const { slot, firmware } = job.desired;
  const outlivesReboot = bench.installer.bootId() === null;
  if (outlivesReboot && (await bench.installer.current([slot]))[slot]?.sha256 === firmware.sha256)
    return settle(bench, job, signal);
  await end(bench, job, {
    state: 'failed',
    error: { code: 'INSTALL_FAILED', message: `the device did not reboot, asked ${REBOOTS} times`, retriable: false },
  });
}

/**
 * The device has started: where a reboot was asked for, and this is another boot, the slot says how it went
 * (docs/contracts/device-mqtt.md, "What confirms"). It comes before the first hello, unless it takes long: then the
 * hello says that the new content is not confirmed yet.
 */
export async function settleBoot(bench: Bench, state: AgentState, signal: AbortSignal): Promise<void> {
  for (const { job } of Object.values(state.slots)) {
    if (job === null || !hasBooted(bench, job)) continue;
    try {
      await settle(bench, job, signal);
    } catch (error) {
      if (signal.aborted || isHalted(error)) throw error;
      // the agent starts all the same, and the step is taken again
      bench.note('trouble', messageOf(error), job.desired.slot);
    }
  }
}

function hasBooted({ installer }: Bench, job: Job): boolean {
  return job.phase === 'rebooting' && job.rebootFrom !== installer.bootId();
}

async function settle(bench: Bench, job: Job, signal: AbortSignal): Promise<void> {
  const { slot, firmware } = job.desired;
  await at(bench, 'booting', job);
  const held = (await bench.installer.current([slot]))[slot];
  if (!held) throw new InstallError('INSTALL_FAILED', 'after the reboot the slot does not say what it holds', true);
  const isNew = held.sha256 === firmware.sha256;
  if (isNew) {
    await bench.installer.confirm(slot, signal);
    await at(bench, 'confirmed', job);
  }
  await bench.booted();
  if (isNew) return end(bench, job, { state: 'installed' });
  const message = `after the reboot the slot holds ${held.version ?? 'something else'} instead of ${firmware.version}`;
  await end(bench, job, { state: 'failed', error: { code: 'BOOT_FAILED_ROLLED_BACK', message, retriable: false } });
}

function endAs(bench: Bench, job: Job, { code, message, retriable }: InstallError): Promise<void> {
  return end(bench, job, { state: 'failed', error: { code, message, retriable } });
}

async function failed(bench: Bench, job: Job, error: unknown, signal: AbortSignal, otherwise: string): Promise<void> {
  if (signal.aborted || isHalted(error)) throw error;
  await endAs(bench, job, isInstallError(error) ? error : installErrorOf(error, otherwise));
}

/** A full disk is one wherever it is met, and will be one the next time. */
function installErrorOf(error: unknown, otherwise: string): InstallError {
  return isDiskFull(error)
    ? new InstallError('NO_SPACE', messageOf(error), false, { cause: error })
    : new InstallError(otherwise, messageOf(error), true, { cause: error });
}

function keyOfJob(job: Job): JobKey {
  return keyOf(job.desired);
}

function move(bench: Bench, job: Job, phase: Phase, said: Said | null, also: Partial<Job> = {}): Promise<boolean> {
  return bench.change((state) => advanced(state, keyOfJob(job), phase, momentOf(bench.clock), said, also));
}

async function end(bench: Bench, job: Job, said: Said): Promise<void> {
  await bench.change((state) => ended(state, keyOfJob(job), said, momentOf(bench.clock)));
  await at(bench, 'ended', job);
}

async function at({ hooks }: Bench, point: Point, job: Job): Promise<void> {
  await hooks.at?.(point, job.desired.slot);
}
