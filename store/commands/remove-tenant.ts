import { DomainError } from '../../domain/errors.js';
import { writeAct } from '../audit/entries.js';
import { FIRST_TENANT } from '../db/api-keys.js';
import { databaseNow } from '../db/clock.js';
import { assertLease, type Fence } from '../db/leases.js';
import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { mark, markDocumentsOf, wakeSender, type Mark } from '../outbox/outbox.js';
import { pokeRollout } from '../rollouts/moves.js';
import { lockTenant, readTenant, type TenantView } from './tenants.js';

/** Rows of one transaction; devices are fewer, because their installations and slots go with them. */
const ROWS = 1_000;
const DEVICES = 100;

/**
 * From now on the tenant goes (`removeTenants`), and nothing brings it back. Asked again, it says the same. As a
 * service.
 * @throws DomainError TENANT_NOT_FOUND, TENANT_STATE where it is active or the operator's own
 */
export async function beginRemovalOfTenant(tx: Tx, id: string): Promise<TenantView> {
  const { state } = await lockTenant(tx, id);
  if (id === FIRST_TENANT)
    throw new DomainError('TENANT_STATE', `"${id}" is the tenant of the operator of the installation: it stays`);
  if (state === 'active')
    throw new DomainError('TENANT_STATE', `the tenant "${id}" is active: suspend it first, with PATCH`);
  await tx.query(`UPDATE tenants SET state = 'removing' WHERE id = $1`, [id]);
  return readTenant(tx, id);
}

/**
 * Removes everything of the tenants that go, page by page, each in a transaction of its own under the lease: first what
 * makes work, jobs and rollouts, then devices, whose processes, logins and documents are told, then the rest. Which
 * rows are left is all that it knows, so that it goes on wherever it was cut off. The tenant itself goes last, once the
 * engine and the broker know of everything, and the audit of the first tenant says so.
 *
 * Each `next()` does one page, and yields.
 * @throws LeaseLost
 */
export async function* removeTenants(pool: Pool, fence: Fence): AsyncGenerator<void, void, void> {
  const page = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
    asService(pool, async (tx) => {
      await assertLease(tx, fence);
      return work(tx);
    });
  const going = await page(
    async (tx) => (await tx.query<{ id: string }>(`SELECT id FROM tenants WHERE state = 'removing' ORDER BY id`)).rows,
  );
  for (const { id } of going) {
    for (const step of STEPS) while (await page((tx) => step(tx, id))) yield;
    await page((tx) => removeItself(tx, id));
    yield;
  }
}

/** One page. @returns whether there may be more. */
type Step = (tx: Tx, tenantId: string) => Promise<boolean>;

const STEPS: readonly Step[] = [
  async (tx, id) => (await tx.query(pageOf('job_results'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('job_lines'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('jobs'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('api_keys'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('webhook_deliveries'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('webhooks'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('webhook_leftovers'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('idempotency_keys'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('rollout_templates'), [id])).rowCount === ROWS,
  removeRollouts,
  // Of rollouts that were deleted before (store/rollouts/leftovers.ts).
  async (tx, id) => (await tx.query(pageOf('rollout_targets'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('rollout_leftovers'), [id])).rowCount === ROWS,
  removeDevices,
  async (tx, id) => (await tx.query(pageOf('device_diagnostics'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('device_terms'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('firmware_associations'), [id])).rowCount === ROWS,
  removeFirmwares,
  async (tx, id) => (await tx.query(pageOf('hawkbit_settings'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('hawkbit_counters'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('enrolments'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('enrolment_tokens'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('device_types'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('history'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('history_tiles'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('history_dropped'), [id])).rowCount === ROWS,
  async (tx, id) => (await tx.query(pageOf('audit_rotations'), [id])).rowCount === ROWS,
];

function pageOf(table: string): string {
  return `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE tenant_id = $1 LIMIT ${ROWS}))`;
}

/** The next rollout: a page of its targets, and with the last of them itself. Its process is told, and ends. */
async function removeRollouts(tx: Tx, tenantId: string): Promise<boolean> {
  const { rows } = await tx.query<{ id: string }>(
    'SELECT id FROM rollouts WHERE tenant_id = $1 ORDER BY id LIMIT 1 FOR UPDATE',
    [tenantId],
  );
  const [found] = rows;
  if (!found) return false;
  const { rowCount } = await tx.query(
    `DELETE FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND device_id IN (SELECT device_id
       FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 LIMIT ${ROWS})`,
    [tenantId, found.id],
  );
  if (rowCount === ROWS) return true;
  await tx.query('DELETE FROM rollouts WHERE tenant_id = $1 AND id = $2', [tenantId, found.id]);
  await mark(tx, [pokeRollout(tenantId, found.id)]);
  await wakeSender(tx);
  return true;
}

/** As when a device is deleted (delete-device.ts), a page at once; a gateway goes before what is behind it. */
async function removeDevices(tx: Tx, tenantId: string): Promise<boolean> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM devices WHERE tenant_id = $1 ORDER BY id LIMIT ${DEVICES} FOR UPDATE`,
    [tenantId],
  );
  const ids = rows.map((row) => row.id);
  if (ids.length === 0) return false;
  await markDocumentsOf(tx, tenantId, ids);
  const open = await tx.query<{ id: string }>(
    'SELECT id FROM installations WHERE tenant_id = $1 AND device_id = ANY($2::uuid[]) AND ended_at IS NULL',
    [tenantId, ids],
  );
  await mark(tx, [
    ...open.rows.map(({ id }): Mark => ({ receiver: 'workflow', tenantId, subject: id })),
    ...ids.map((subject): Mark => ({ receiver: 'credential', tenantId, subject })),
  ]);
  await tx.query('UPDATE devices SET connected_by = NULL WHERE tenant_id = $1 AND connected_by = ANY($2::uuid[])', [
    tenantId,
    ids,
  ]);
  await tx.query('DELETE FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[])', [tenantId, ids]);
  await wakeSender(tx);
  return ids.length === DEVICES;
}

/**
 * Their bytes are marked: they go where no firmware of another tenant refers to them. So are the pieces of uploads that
 * are under way, whose rows go with the firmware.
 */
async function removeFirmwares(tx: Tx, tenantId: string): Promise<boolean> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM firmwares WHERE tenant_id = $1 ORDER BY id LIMIT ${ROWS} FOR UPDATE`,
    [tenantId],
  );
  const ids = rows.map((row) => row.id);
  await tx.query(
    `INSERT INTO removable_contents (sha256) SELECT DISTINCT sha256 FROM firmwares WHERE tenant_id = $1
       AND id = ANY($2::uuid[]) AND sha256 IS NOT NULL ORDER BY 1 ON CONFLICT DO NOTHING`,
    [tenantId, ids],
  );
  await tx.query(
    `INSERT INTO removable_pieces (name) SELECT p.name FROM firmware_upload_pieces p
       JOIN firmware_uploads u ON u.tenant_id = p.tenant_id AND u.id = p.upload_id
     WHERE u.tenant_id = $1 AND u.firmware_id = ANY($2::uuid[]) ON CONFLICT DO NOTHING`,
    [tenantId, ids],
  );
  await tx.query('DELETE FROM firmwares WHERE tenant_id = $1 AND id = ANY($2::uuid[])', [tenantId, ids]);
  return ids.length === ROWS;
}

/**
 * Last of all, once nothing of it is at the broker, no process of it is to be told any more, and nothing came while it
 * went, of what has no foreign key. Otherwise the next round looks again.
 */
async function removeItself(tx: Tx, id: string): Promise<void> {
  const { name, quotas } = await lockTenant(tx, id);
  const { rowCount } = await tx.query(
    `SELECT 1 FROM outbox WHERE tenant_id = $1 UNION ALL SELECT 1 FROM published_documents WHERE tenant_id = $1
     UNION ALL SELECT 1 FROM history WHERE tenant_id = $1
     UNION ALL SELECT 1 FROM device_diagnostics WHERE tenant_id = $1
     UNION ALL SELECT 1 FROM device_terms WHERE tenant_id = $1 LIMIT 1`,
    [id],
  );
  if (rowCount !== 0) return;
  await tx.query(`DELETE FROM tenants WHERE id = $1 AND state = 'removing'`, [id]);
  const actor = { id: 'service', credential: null, address: null, requestId: 'removal' };
  const effect = { before: { name, state: 'removing', quotas } };
  await writeAct(tx, FIRST_TENANT, { actor, action: 'tenant.delete', id, effect }, databaseNow());
}
