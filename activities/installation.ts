import type { InstallationEvent } from '../domain/installation/events.js';
import type { Installation } from '../domain/installation/installation.js';
import { stageOf, type ProcessStatus } from '../domain/installation/process-status.js';
import { waitingOn } from '../domain/installation/waiting-on.js';
import { executing, type DeviceAggregate } from '../domain/installation/device-aggregate.js';
import type { Pool } from '../store/db/pool.js';
import { reachOf, type Reach } from '../store/fleet/gateways.js';
import { record } from '../store/record.js';
import { wakeSender } from '../store/outbox/outbox.js';
import { asService } from '../store/db/transaction.js';
import { isOfOneRow, isTransient } from '../store/db/sqlstates.js';
import { GroupCommit } from './group-commit.js';
import { deviceKey } from '../store/db/keys.js';

/** Names one installation (workflows/messages.ts). */
interface Ref {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly installationId: string;
}

/** How an attempt ended: the process is done, or goes round again. */
export interface Verdict {
  readonly done: boolean;
  readonly state: string;
  readonly attempt: number;
}

export interface InstallationActivities {
  /**
   * Is it time, and is it its turn? Then the offer is recorded, and its mark in the outbox makes the bridge publish the
   * document.
   */
  notify(ref: Ref): Promise<ProcessStatus>;
  /** A timer fired: is anything due, by what the row says now? */
  judge(ref: Ref): Promise<ProcessStatus>;
  /**
   * Done, or retry: what the row says. A row that is gone is done. Only processes of the first edition ask
   * (workflows/messages.ts).
   */
  conclude(ref: Ref): Promise<Verdict>;
}

/** Of one process: what has happened to it. */
interface Asked {
  readonly ref: Ref;
  readonly event: InstallationEvent;
}

export interface InstallationDependencies {
  readonly pool: Pool;
  readonly now: () => number;
}

export function createInstallationActivities({ pool, now }: InstallationDependencies): InstallationActivities {
  /** Records events of processes, and answers where their rows stand after all of them. */
  const recorded = (asked: readonly Asked[]): Promise<ProcessStatus[]> =>
    asService(pool, async (tx) => {
      const answers = await record(
        tx,
        asked.map(({ ref, event }) => ({ ...ref, from: { kind: 'process' }, kind: 'event', event })),
        now(),
      );
      if (answers.some(({ outcome }) => outcome === 'applied')) await wakeSender(tx);
      // A child is reached through its gateway: whether it is online, its own row cannot tell.
      const reach = await reachOf(
        tx,
        asked.map(({ ref }) => ref),
      );
      return answers.map((one, index): ProcessStatus => {
        const { tenantId, deviceId } = asked[index]!.ref;
        return one.outcome === 'refused'
          ? GONE
          : statusOf(one.installation!, one.aggregate, reach.get(deviceKey(tenantId, deviceId)));
      });
    });
  const group = new GroupCommit(recorded, (error) => isTransient(error) && !isOfOneRow(error));
  const status = (ref: Ref, event: InstallationEvent): Promise<ProcessStatus> => group.do({ ref, event });

  return {
    notify: (ref) => status(ref, { type: 'begin' }),
    judge: (ref) => status(ref, { type: 'deadline' }),
    async conclude(ref) {
      const at = await status(ref, { type: 'deadline' });
      return { done: at.stage === 'ended', state: at.state, attempt: at.attempt };
    },
  };
}

/** The device was deleted, and its installations with it: there is nothing left to wait for. */
const GONE: ProcessStatus = { stage: 'ended', state: 'deleted', attempt: 0, until: null, waitingOn: '' };

export function statusOf(
  installation: Installation,
  aggregate: DeviceAggregate,
  reach: Reach | undefined,
): ProcessStatus {
  return {
    stage: stageOf(installation),
    state: installation.state,
    attempt: installation.attempt,
    until: installation.dueAt,
    waitingOn:
      waitingOn(installation, { ...reach, executing: executing(aggregate, installation.id)?.id ?? null }) ??
      (installation.rejectReason
        ? `Ended as ${installation.state}: ${installation.rejectReason}`
        : `Ended as ${installation.state}.`),
  };
}
