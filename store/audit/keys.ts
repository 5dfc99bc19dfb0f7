import { oneRow } from '../db/one-row.js';
import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';

/** The public key that signs checkpoints now, 32 bytes of Ed25519; undefined where none was made yet. */
export async function keyInUse(pool: Pool): Promise<Buffer | undefined> {
  return asService(pool, (tx) => lockedKey(tx, ''));
}

async function lockedKey(tx: Tx, lock: '' | 'FOR UPDATE'): Promise<Buffer | undefined> {
  const { rows } = await tx.query<{ public_key: Buffer }>(
    `SELECT public_key FROM audit_keys WHERE until IS NULL ${lock}`,
  );
  return rows[0]?.public_key;
}

/** Makes it the one that signs, unless another one does already. @returns the one that does */
export async function registerKey(pool: Pool, publicKey: Buffer): Promise<Buffer> {
  await asService(pool, (tx) =>
    tx.query('INSERT INTO audit_keys (public_key) VALUES ($1) ON CONFLICT DO NOTHING', [publicKey]),
  );
  const inUse = await keyInUse(pool);
  if (inUse === undefined) throw new Error('the key that signs the audit was registered, and is not there');
  return inUse;
}

/** The id of this installation's log: stays when its key is changed. */
export async function logId(pool: Pool): Promise<string> {
  const { rows } = await asService(pool, (tx) => tx.query<{ id: string }>('SELECT id FROM audit_log'));
  return oneRow(rows, 'the id of the audit log').id;
}

/**
 * Puts another key in the place of the one that signs, with a note over each tree as it stands.
 * @param sign the note of a tenant, signed by both keys
 * @throws where `from` is not the key that signs now
 */
export async function replaceKey(
  pool: Pool,
  from: Buffer,
  to: Buffer,
  sign: (tx: Tx, tenantId: string) => Promise<string>,
): Promise<void> {
  await asService(pool, async (tx) => {
    if ((await lockedKey(tx, 'FOR UPDATE'))?.equals(from) !== true)
      throw new Error('the key that signs the audit was changed meanwhile; look again');
    await tx.query('UPDATE audit_keys SET until = now() WHERE public_key = $1', [from]);
    await tx.query('INSERT INTO audit_keys (public_key) VALUES ($1)', [to]);
    const { rows } = await tx.query<{ id: string }>('SELECT id FROM tenants ORDER BY id');
    for (const { id } of rows)
      await tx.query('INSERT INTO audit_rotations (tenant_id, note) VALUES ($1, $2)', [id, await sign(tx, id)]);
  });
}

/** What was signed when the key was changed, oldest first. */
export async function rotationsOf(tx: Tx, tenantId: string): Promise<string[]> {
  const { rows } = await tx.query<{ note: string }>(
    'SELECT note FROM audit_rotations WHERE tenant_id = $1 ORDER BY rotated_at',
    [tenantId],
  );
  return rows.map(({ note }) => note);
}
