import { ApplicationFailure } from '@temporalio/workflow';
import type { ProcessStatus } from '../domain/installation/process-status.js';
import { endSoak, expireDownload, expireOffer, expireOutcome, lookAtRow, makeOffer } from './activities.js';
import { earlierInstallation } from './earlier-installation.js';
import { EDITION, type InstallationEnd, type InstallationRef } from './messages.js';
import { Mission } from './mission.js';

/**
 * One installation on one device: wait for its turn, notify the device, await the download, await the outcome, let the
 * new content prove itself, conclude; and once more, if the attempt failed and another is allowed.
 *
 * Every decision is made by an activity, on the row in PostgreSQL, and says why; this code only waits, calls and loops.
 * A deadline is judged when its timer fires, because reports of a device that works move it without a signal.
 */
export async function installation(ref: InstallationRef): Promise<InstallationEnd> {
  if (ref.edition !== EDITION) return earlierInstallation(ref);
  const mission = new Mission(ref);
  for (;;) {
    let at = await offer(mission);
    while (at.stage === 'begin') at = await awaitTurn(mission, at);
    at = await awaitDownload(mission, at);
    at = await awaitOutcome(mission, at);
    at = await soak(mission, at);
    at = await looked(mission, at);
    if (at.stage === 'ended') return conclude(at);
    // The attempt is over and another is allowed: its back-off is a time to begin like any other. Or the signal was
    // false, and the offer says where the row stands.
  }
}

/** Notifies the device, if its time has come and it is its turn: the bridge publishes what is recorded here. */
async function offer({ ref }: Mission): Promise<ProcessStatus> {
  return (await makeOffer(ref)).status;
}

/**
 * Waits for `notBefore`, for the back-off, or behind another installation on the device. Deadline: the time to begin.
 */
async function awaitTurn(mission: Mission, at: ProcessStatus): Promise<ProcessStatus> {
  await mission.signalBefore(at);
  return offer(mission);
}

/** Deadlines: the offer's, until the device takes it; then the download's, which bytes that arrive move on. */
async function awaitDownload(mission: Mission, at: ProcessStatus): Promise<ProcessStatus> {
  while (at.stage === 'download')
    at = await mission.signalOrDeadline(at, at.state === 'delivered' ? expireOffer : expireDownload);
  return at;
}

/** Deadlines: of the installation and of the reboot. Before it gives up, the device is asked what it holds. */
async function awaitOutcome(mission: Mission, at: ProcessStatus): Promise<ProcessStatus> {
  while (at.stage === 'outcome') at = await mission.signalOrDeadline(at, expireOutcome);
  return at;
}

/** The new content proves itself. Deadline: the end of the soak, which is the success. */
async function soak(mission: Mission, at: ProcessStatus): Promise<ProcessStatus> {
  while (at.stage === 'soak') at = await mission.signalOrDeadline(at, endSoak);
  return at;
}

/**
 * An end that a signal told of is one only if the row says so: the engine takes signals from everyone who reaches it.
 */
async function looked(mission: Mission, at: ProcessStatus): Promise<ProcessStatus> {
  const isHearsay = mission.ref.looksBeforeEnd === true && at.stage === 'ended' && mission.wasSignalled(at);
  return isHearsay ? (await lookAtRow(mission.ref)).status : at;
}

/**
 * Ends the process so that lists of the engine show how: Completed where the content is installed; else Failed, with
 * the state of the row as the failure's type. A new start under the same id is free in both cases.
 */
function conclude({ state, attempt, waitingOn }: ProcessStatus): InstallationEnd {
  const end: InstallationEnd = { state, attempt };
  if (state === 'installed') return end;
  throw ApplicationFailure.create({ message: waitingOn, type: state, nonRetryable: true, details: [end] });
}
