import { assertLease, type Fence } from '../db/leases.js';
import type { Pool, Tx } from '../db/pool.js';
import { isOfOneRow } from '../db/sqlstates.js';
import { asService } from '../db/transaction.js';
import { iso } from '../db/times.js';
import { hasCredential } from '../fleet/gateways.js';
import { record, type Report } from '../record.js';

/**
 * A device is asked for a hello when nothing was heard for so many of its `communicationInterval`s. It counts as
 * offline when it did not answer for one more.
 */
const ASKED_AFTER = 2;
/**
 * A shorter `communicationInterval` counts as this: `lastSeenAt` is some seconds behind, and a hello must have the time
 * to arrive.
 */
const SHORTEST_MS = 30_000;
/** After the broker lost all its connections, a device that lives comes back or answers within this. */
const DOUBTED_FOR_MS = 120_000;
/** In one look: a fleet that fell silent together is asked little by little. */
const AT_ONCE = 200;

/** What one look stands on. Times are epoch milliseconds of the bridge's clock. */
export interface Listening {
  readonly now: number;
  /** Since when devices can be heard: an answer to what was asked before was not heard. */
  readonly since: number;
  /**
   * The broker lost what it knew at this time, and with it its connections: who was not heard since may be gone;
   * undefined = it did not.
   */
  readonly doubtedSince: number | undefined;
  /** Of devices without a `communicationInterval` of their own or of their type. */
  readonly intervalMs: number;
}

/**
 * A row behind a silent device (a child's, an installation's) that another transaction holds is waited for so long.
 */
const LOCK_MS = 1_000;

/**
 * Asks devices from which nothing was heard for a hello, and marks those offline that were asked and did not answer
 * (docs/contracts/device-mqtt.md, "Topics"). Devices that are reached through a gateway follow the gateway. At most 200
 * in one look. One whose row another transaction holds is left to a later look. @returns how many of them.
 */
export async function lookForSilence(pool: Pool, fence: Fence, listening: Listening): Promise<number> {
  // A transaction of its own: what it locks, it locks in its own order, and gives back at once.
  const silent = await asService(pool, async (tx) => {
    await assertLease(tx, fence);
    return readSilent(tx, listening);
  });
  return recordFree(pool, fence, silent, listening.now);
}

/**
 * Records these, but those whose rows another transaction holds: halves find them. @returns how many were recorded.
 * @throws LeaseLost
 */
export async function recordFree(pool: Pool, fence: Fence, silent: readonly Report[], now: number): Promise<number> {
  if (silent.length === 0) return 0;
  try {
    await asService(
      pool,
      async (tx) => {
        await assertLease(tx, fence);
        await record(tx, silent, now);
      },
      { lockMs: LOCK_MS },
    );
    return silent.length;
  } catch (error) {
    if (!isOfOneRow(error)) throw error;
    if (silent.length === 1) return 0;
    const middle = Math.ceil(silent.length / 2);
    const first = await recordFree(pool, fence, silent.slice(0, middle), now);
    return first + (await recordFree(pool, fence, silent.slice(middle), now));
  }
}

interface SilentRow {
  tenant_id: string;
  id: string;
  last_seen_at: Date | null;
  asked: boolean;
}

async function readSilent(tx: Tx, { now, since, doubtedSince, intervalMs }: Listening): Promise<Report[]> {
  const shortest = await shortestInterval(tx, intervalMs);
  // Who was heard after this is none of them: the index ends there.
  const lately = Math.max(now - ASKED_AFTER * shortest, doubtedSince ?? 0);
  const { rows } = await tx.query<SilentRow>(
    `SELECT d.tenant_id, d.id, d.last_seen_at, s.asked
     FROM devices d
     CROSS JOIN LATERAL (SELECT x.communication_interval FROM device_types x WHERE x.tenant_id = d.tenant_id
       AND x.id = d.device_type_id LIMIT 1) AS t
     CROSS JOIN LATERAL (SELECT interval '1 millisecond' * greatest(coalesce(nullif(d.communication_interval, 0),
       nullif(t.communication_interval, 0), $1::float8 / 1000) * 1000, ${SHORTEST_MS}) AS span) AS i
     CROSS JOIN LATERAL (SELECT (d.hello_wanted_at >= $3::timestamptz
         AND coalesce(d.hello_wanted_at > d.last_seen_at, true)) IS TRUE AS asked,
       coalesce(d.last_seen_at < $4::timestamptz, $4::timestamptz IS NOT NULL) AS doubted) AS s
     WHERE d.online AND (d.last_seen_hour IS NULL OR d.last_seen_hour <= $5::timestamptz AT TIME ZONE 'UTC')
       AND CASE WHEN s.asked THEN d.hello_wanted_at + CASE WHEN s.doubted THEN interval '${DOUBTED_FOR_MS} milliseconds'
           ELSE i.span END <= $2::timestamptz
         ELSE s.doubted OR d.last_seen_at IS NULL OR d.last_seen_at + ${ASKED_AFTER} * i.span <= $2::timestamptz END
       AND (d.connected_by IS NULL OR ${hasCredential('d.tenant_id', 'd.id')})
     ORDER BY d.last_seen_hour NULLS FIRST LIMIT ${AT_ONCE}
     FOR NO KEY UPDATE OF d SKIP LOCKED`,
    [intervalMs, iso(now), iso(since), iso(doubtedSince ?? null), iso(lately)],
  );
  return rows.map((row): Report => ({
    tenantId: row.tenant_id,
    deviceId: row.id,
    from: { kind: 'service' },
    kind: 'silence',
    then: row.asked ? 'offline' : 'ask',
    heardAt: row.last_seen_at?.getTime() ?? null,
  }));
}

/** In milliseconds: the shortest that is in use anywhere. */
async function shortestInterval(tx: Tx, intervalMs: number): Promise<number> {
  const { rows } = await tx.query<{ seconds: number | null }>(
    `SELECT least((SELECT min(communication_interval) FROM devices WHERE communication_interval > 0),
       (SELECT min(communication_interval) FROM device_types WHERE communication_interval > 0)) AS seconds`,
  );
  const seconds = rows[0]?.seconds ?? null;
  return Math.max(SHORTEST_MS, seconds === null ? intervalMs : Math.min(intervalMs, seconds * 1_000));
}
