import { oneRow } from '../db/one-row.js';
import { databaseNow } from '../db/clock.js';
import { DomainError } from '../../domain/errors.js';
import { mark, markDocumentsOf, wakeSender } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { hasCredential } from '../fleet/gateways.js';
import { refreshAdmissible } from '../rollouts/moves.js';

/** A chain of gateways has at most this many links: what walks it (store/fleet/gateways.ts) stops there. */
const MAX_CHAIN = 16;

/**
 * Changes of `connectedBy` of one tenant are made one after the other, until the transaction ends. Row locks alone
 * would let two of them, each seeing the other's old row, close a circle together; they are rare, so waiting costs
 * nothing. Taken before any row lock.
 */
export async function lockTopology(tx: Tx, tenantId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('slipway.topology.' || $1, 0))`, [tenantId]);
}

/**
 * @throws DomainError DEVICE_CONNECTEDBY_CONFLICT where `gateway` is unknown, or `deviceId` behind it would be a circle
 * or too deep.
 */
export async function requireGateway(tx: Tx, tenantId: string, deviceId: string, gateway: string): Promise<void> {
  const conflict = (detail: string) =>
    new DomainError('DEVICE_CONNECTEDBY_CONFLICT', detail, { errors: [{ pointer: '/info/connectedBy', detail }] });
  if (gateway.toLowerCase() === deviceId) throw conflict('a device cannot be its own gateway');
  // Key-share: it cannot be deleted meanwhile.
  const found = await tx.query('SELECT FROM devices WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE', [
    tenantId,
    gateway,
  ]);
  if (found.rowCount === 0) throw conflict(`gateway ${gateway} does not exist: no device has this id`);
  const { rows } = await tx.query<{ circle: boolean; depth: number }>(
    `WITH RECURSIVE up(id, depth) AS (
       SELECT $2::uuid, 1
       UNION ALL SELECT d.connected_by, up.depth + 1 FROM up JOIN devices d ON d.tenant_id = $1 AND d.id = up.id
         WHERE d.connected_by IS NOT NULL AND up.depth <= ${MAX_CHAIN}),
     down(id, depth) AS (
       SELECT $3::uuid, 0
       UNION ALL SELECT d.id, down.depth + 1 FROM down JOIN devices d ON d.tenant_id = $1 AND d.connected_by = down.id
         WHERE down.depth <= ${MAX_CHAIN})
     SELECT EXISTS (SELECT FROM up WHERE id = $3) AS circle, (SELECT max(depth) FROM up) + (SELECT max(depth)
       FROM down) AS depth`,
    [tenantId, gateway, deviceId],
  );
  const { circle, depth } = oneRow(rows, 'the chain of gateways');
  if (circle) throw conflict(`device ${gateway} is behind this one: the chain of gateways would be a circle`);
  if (depth > MAX_CHAIN) throw conflict(`the chain of gateways would be longer than ${MAX_CHAIN}`);
}

/**
 * A gateway that is deleted by force lets go of its children: they stay, without a gateway, as after a PATCH of
 * `connectedBy` to null. What is open on them waits until one of them gets a credential or another gateway, and says
 * so.
 */
export async function releaseChildren(tx: Tx, tenantId: string, gateway: string): Promise<void> {
  await lockTopology(tx, tenantId);
  // In the order in which reports lock devices, the gateway among them.
  const { rows } = await tx.query<{ id: string }>(
    'SELECT id FROM devices WHERE tenant_id = $1 AND (id = $2 OR connected_by = $2) ORDER BY id FOR UPDATE',
    [tenantId, gateway],
  );
  const children = rows.map((row) => row.id).filter((id) => id !== gateway.toLowerCase());
  if (children.length === 0) return;
  await tx.query(
    `UPDATE devices SET connected_by = NULL, reachable = NULL,
       online = online AND ${hasCredential('devices.tenant_id', 'devices.id')}, updated_at = now()
      WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
    [tenantId, children],
  );
  await markDocumentsOf(tx, tenantId, children);
  await mark(
    tx,
    await refreshAdmissible(
      tx,
      children.map((deviceId) => ({ tenantId, deviceId })),
      databaseNow(),
    ),
  );
  await wakeSender(tx);
}
