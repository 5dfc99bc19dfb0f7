import { assertLease, type Fence } from '../db/leases.js';
import { mark } from '../outbox/outbox.js';
import type { Pool, Tx } from '../db/pool.js';
import { record } from '../record.js';
import { recordset } from '../db/recordset.js';
import { asService } from '../db/transaction.js';
import { deviceKey } from '../db/keys.js';

/** Who may connect as one device, for a broker that has to be told. */
export interface LoginView {
  readonly tenantId: string;
  readonly deviceId: string;
  /** false: the device was deleted. */
  readonly known: boolean;
  /** Oldest first. `sealed` is null where the password was made while no broker was administered. */
  readonly valid: readonly { id: string; sealed: Buffer | null }[];
  readonly online: boolean;
  readonly session: string | null;
}

type Subject = { readonly tenantId: string; readonly subject: string };

/**
 * By workKey; each subject is there. @throws LeaseLost: what another leader reads and tells now must not be overtaken
 * by this.
 */
export async function readLogins(
  pool: Pool,
  fence: Fence,
  subjects: readonly Subject[],
): Promise<Map<string, LoginView>> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows } = await tx.query<{
      tenant_id: string;
      id: string;
      known: boolean;
      online: boolean | null;
      session: string | null;
      valid: { id: string; sealed: string | null }[];
    }>(
      `SELECT k.tenant_id, k.id, d.id IS NOT NULL AS known, d.online, d.session,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'sealed', encode(c.sealed, 'hex'))
           ORDER BY c.created_at, c.id), '[]')
          FROM device_credentials c WHERE c.tenant_id = k.tenant_id AND c.device_id = k.id AND c.type = 'password'
            AND c.revoked_at IS NULL) AS valid
       FROM ${recordset('$1', 'tenant_id text, id uuid')} AS k
       LEFT JOIN devices d ON d.tenant_id = k.tenant_id AND d.id = k.id`,
      [JSON.stringify(subjects.map((one) => ({ tenant_id: one.tenantId, id: one.subject })))],
    );
    return new Map(
      rows.map((row) => [
        deviceKey(row.tenant_id, row.id),
        {
          tenantId: row.tenant_id,
          deviceId: row.id,
          known: row.known,
          online: row.online === true,
          session: row.session,
          valid: row.valid.map(({ id, sealed }) => ({
            id,
            sealed: sealed === null ? null : Buffer.from(sealed, 'hex'),
          })),
        },
      ]),
    );
  });
}

/**
 * The broker cut these off without their last will, so no other message says that they are offline. Counts only for the
 * session that was read before: who is back already is online.
 */
export async function recordDisconnect(
  pool: Pool,
  fence: Fence,
  cutOff: readonly LoginView[],
  now: number,
): Promise<void> {
  const reports = cutOff
    .filter((one) => one.online)
    .map((one) => ({
      tenantId: one.tenantId,
      deviceId: one.deviceId,
      from: { kind: 'service' as const },
      kind: 'presence' as const,
      online: false,
      session: one.session ?? NO_SESSION,
    }));
  if (reports.length === 0) return;
  await asService(pool, async (tx) => {
    await assertLease(tx, fence);
    await record(tx, reports, now);
  });
}

/** Of a device that never said which session it is in. */
const NO_SESSION = 'none';

/**
 * Marks each device with a valid password, and each that the broker has a name for: all of them are compared again.
 * @returns how many.
 */
export async function markLogins(pool: Pool, atBroker: readonly { tenant: string; node: string }[]): Promise<number> {
  return asService(pool, async (tx) => {
    const { rows } = await tx.query<{ tenant_id: string; id: string }>(
      `SELECT tenant_id, device_id AS id FROM device_credentials WHERE type = 'password' AND revoked_at IS NULL
       UNION SELECT tenant_id, id FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, id uuid)`,
      [JSON.stringify(atBroker.map((one) => ({ tenant_id: one.tenant, id: one.node })))],
    );
    await mark(
      tx,
      rows.map((row) => ({ receiver: 'credential', tenantId: row.tenant_id, subject: row.id })),
    );
    return rows.length;
  });
}

/** From now on passwords are sealed to this key. */
export async function publishSeal(pool: Pool, publicKey: Buffer): Promise<void> {
  await asService(pool, (tx) =>
    tx.query(
      `INSERT INTO broker_seal (public_key) VALUES ($1)
        ON CONFLICT (only_one) DO UPDATE SET public_key = excluded.public_key, since = now()
        WHERE broker_seal.public_key <> excluded.public_key`,
      [publicKey],
    ),
  );
}

/** The one client id of every bridge: a broker's own take-over fences a stalled one, and it cannot be guessed. */
export async function readBridgeClientId(tx: Tx): Promise<string> {
  const { rows } = await tx.query<{ value: Buffer }>(`SELECT value FROM service_keys WHERE name = 'bridge-client-id'`);
  if (!rows[0])
    throw new Error("the bridge's client id is missing in service_keys: the migrations did not run to their end");
  return `slipway-bridge-${rows[0].value.toString('hex')}`;
}
