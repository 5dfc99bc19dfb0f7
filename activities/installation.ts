import type { Decided } from '../domain/installation/decided.js';
import { lookAtRows } from './look-at-rows.js';
import { processEvents, type DecideBy, type InstallationDependencies, type Ref } from './process-events.js';

/**
 * What the process of an installation asks to be decided, on the row in PostgreSQL. Each answer says what was decided
 * and why, so that the event history can be read; each is idempotent, because the row says where it stands. The names
 * stand in histories: a new one may be added, none renamed (workflows/earlier-installation.ts has those of before).
 *
 * Which deadline has passed is decided by the row, not by the name: a report may have moved the installation on
 * meanwhile. The name says for what the process waited.
 */
export interface InstallationActivities {
  /** Is it time, and is it its turn? Then the offer is recorded; its mark in the outbox makes the bridge publish it. */
  makeOffer(ref: Ref): Promise<Decided>;
  /** The device did not take the offer in time. */
  expireOffer(ref: Ref): Promise<Decided>;
  /** The download makes no progress, or the device deferred the installation and did not continue. */
  expireDownload(ref: Ref): Promise<Decided>;
  /** The device does not report the end of the installation, or does not come back from its reboot. */
  expireOutcome(ref: Ref): Promise<Decided>;
  /** The new content had its time to prove itself. */
  endSoak(ref: Ref): Promise<Decided>;
  /** Where the row stands, and nothing else: a signal said that it has ended. */
  lookAtRow(ref: Ref): Promise<Decided>;
}

/** Each may run twice: the decision is stored with the row, so a repetition finds nothing to do. */
export function createInstallationActivities(
  dependencies: InstallationDependencies,
  decide: DecideBy = processEvents(dependencies),
): InstallationActivities {
  const deadline = (ref: Ref): Promise<Decided> => decide(ref, 'deadline');
  return {
    makeOffer: (ref) => decide(ref, 'begin'),
    expireOffer: deadline,
    expireDownload: deadline,
    expireOutcome: deadline,
    endSoak: deadline,
    lookAtRow: lookAtRows(dependencies),
  };
}
