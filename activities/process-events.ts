import { paired } from '../domain/pairs.js';
import { defined } from '../domain/defined.js';
import { decided, GONE, type Decided } from '../domain/installation/decided.js';
import { executing } from '../domain/installation/device-aggregate.js';
import { deviceKey } from '../store/db/keys.js';
import type { Pool, Tx } from '../store/db/pool.js';
import { isOfOneRow, isTransient } from '../store/db/sqlstates.js';
import { asService } from '../store/db/transaction.js';
import { reachOf } from '../store/fleet/gateways.js';
import { lockedDevices } from '../store/installations/locked-devices.js';
import { wakeSender } from '../store/outbox/outbox.js';
import { record } from '../store/record.js';
import { GroupCommit } from './group-commit.js';

/** Names one installation (workflows/messages.ts). */
export interface Ref {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly installationId: string;
}

/** `begin`: may it begin? `deadline`: a deadline has passed, is anything due by what the row says now? */
export type ProcessEvent = 'begin' | 'deadline';

/** What the activities of installations stand on; the clock is given, so that tests may move it. */
export interface InstallationDependencies {
  readonly pool: Pool;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Records an event of a process by the single write path, and answers what it came to. */
export type DecideBy = (ref: Ref, event: ProcessEvent) => Promise<Decided>;

interface Asked {
  readonly ref: Ref;
  readonly event: ProcessEvent;
}

/** A row that another transaction holds for longer holds up all others of the group: it is tried again by itself. */
const LOCK_MS = 1_000;

/** Events that come at the same time are one transaction (group-commit.ts). */
export function processEvents({ pool, now }: InstallationDependencies): DecideBy {
  const recorded = (asked: readonly Asked[]): Promise<Decided[]> => {
    const work = async (tx: Tx): Promise<Decided[]> => {
      const at = now();
      const answers = await record(
        tx,
        asked.map(({ ref: { tenantId, deviceId, installationId }, event }) => ({
          tenantId,
          deviceId,
          installationId,
          from: { kind: 'process' },
          kind: 'event',
          event: { type: event },
        })),
        at,
      );
      if (answers.some(({ outcome }) => outcome === 'applied')) await wakeSender(tx);
      // A child is reached through its gateway: whether it is online, its own row cannot tell.
      const reach = await reachOf(
        tx,
        asked.map(({ ref }) => ref),
      );
      return paired(asked, answers).map(([{ ref, event }, one]): Decided => {
        if (one.outcome === 'refused') return GONE;
        const other = executing(one.aggregate, ref.installationId)?.id ?? null;
        const around = { ...reach.get(deviceKey(ref.tenantId, ref.deviceId)), executing: other };
        const row = defined(one.installation, 'an event that is not refused is answered with its row');
        return decided(event, one.outcome === 'applied', row, around, at);
      });
    };
    return asService(pool, work, { lockMs: LOCK_MS });
  };
  const held = async (asked: readonly Asked[], error: unknown): Promise<boolean[]> => {
    if (!isOfOneRow(error)) return [];
    try {
      const locked = await asService(pool, (tx) =>
        lockedDevices(
          tx,
          asked.map(({ ref }) => ref),
        ),
      );
      return asked.map(({ ref }) => locked.has(deviceKey(ref.tenantId, ref.deviceId)));
    } catch {
      return []; // whose rows they are shows when each is done by itself
    }
  };
  const group = new GroupCommit(recorded, (error) => isTransient(error) && !isOfOneRow(error), held);
  return (ref, event) => group.do({ ref, event });
}
