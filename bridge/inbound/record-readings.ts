import { paired } from '../../domain/pairs.js';
import { receiptsOf, type Receipt } from '../../protocol/mqtt/receipts.js';
import { takeMessages } from '../../store/commands/device-messages.js';
import { forgetPolls, type Node } from '../../store/commands/polls.js';
import { assertLease, type Fence } from '../../store/db/leases.js';
import type { Pool } from '../../store/db/pool.js';
import { lockedDevices } from '../../store/installations/locked-devices.js';
import { asService } from '../../store/db/transaction.js';
import type { Reading } from './reading.js';

/** What became of one message, in the order of the batch. */
export interface Noted {
  /** Reports that were taken. */
  readonly recorded: number;
  /** Reasons, one for each that was not. */
  readonly refusals: readonly string[];
  readonly receipts: readonly Receipt[];
}

/**
 * One transaction for a batch of messages: what they report, and why the others were refused. Nothing is acknowledged
 * before it has committed.
 * @param lockMs how long it waits for one row that another transaction holds
 * @throws LeaseLost, and whatever PostgreSQL says: then nothing of the batch was written.
 */
export async function recordReadings(
  pool: Pool,
  fence: Fence,
  readings: readonly Reading[],
  now: number,
  lockMs: number,
): Promise<Noted[]> {
  const taken = await asService(
    pool,
    async (tx) => {
      await assertLease(tx, fence);
      const all = await takeMessages(tx, readings, now);
      await forgetPolls(tx, readings.flatMap(connected));
      return all;
    },
    { lockMs },
  );
  return paired(readings, taken).map(([reading, { outcome, ...rest }]) => ({
    ...rest,
    receipts: outcome !== undefined && 'message' in reading ? receiptsOf(reading.message, outcome) : [],
  }));
}

/** What a device says at the beginning of a connection: one that waited over HTTP before waits no longer. */
function connected(reading: Reading): Node[] {
  if (!('message' in reading) || reading.source !== undefined) return [];
  const { type, tenant, node, device } = reading.message;
  return node === device && (type === 'hello' || type === 'presence') ? [{ tenantId: tenant, deviceId: node }] : [];
}

/**
 * Of the devices that these messages are about, those of which another transaction holds a row at this moment.
 * @returns `deviceKey` of each.
 */
export function lockedAmong(pool: Pool, fence: Fence, readings: readonly Reading[]): Promise<Set<string>> {
  const about = readings.flatMap((reading) => ('message' in reading ? [reading.message] : []));
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    return lockedDevices(
      tx,
      about.map(({ tenant, device }) => ({ tenantId: tenant, deviceId: device })),
    );
  });
}
