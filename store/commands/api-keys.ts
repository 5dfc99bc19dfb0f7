import { randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { lacking, type Permission } from '../../domain/permissions.js';
import { freePrincipal, hashOf, permissionsOfKey, type Grant } from '../db/api-keys.js';
import { newKey } from '../db/key-format.js';
import { oneRow } from '../db/one-row.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { assertQuota } from '../db/quotas.js';
import { BY_CREATION, readPage } from '../db/read-page.js';
import { iso, ms } from '../db/times.js';

/** A key as it is shown: without its secret. Times are epoch milliseconds. */
export interface KeyView extends Grant {
  readonly id: string;
  readonly name: string;
  readonly expiresAt: number | null;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly lastUsedAt: number | null;
  readonly revokedAt: number | null;
  /** Of one that was rotated: until when it works. */
  readonly worksUntil: number | null;
  readonly state: 'active' | 'expired' | 'revoked';
}

/** Who makes or changes a key. A key never gets more than its maker holds. */
export interface KeyMaker {
  readonly tenantId: string;
  /** As the principal of a request has it: `key:<name>`, `user:<sub>`. */
  readonly by: string;
  readonly permissions: readonly Permission[];
}

/** What a key is to be: exactly one of `role` and `permissions` is there. `expiresAt`: epoch milliseconds. */
export interface KeyWanted {
  readonly name: string;
  readonly role?: NonNullable<Grant['role']> | undefined;
  readonly permissions?: readonly Permission[] | undefined;
  readonly expiresAt?: number | null | undefined;
}

/** A key that is made, in clear: it is stored nowhere, and shown this once. */
export interface MadeKey {
  readonly view: KeyView;
  readonly key: string;
}

interface KeyRow {
  id: string;
  name: string;
  role: Grant['role'];
  permissions: Permission[] | null;
  principal: string;
  expires_at: Date | null;
  works_until: Date | null;
  created_at: Date;
  created_by: string;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

const COLUMNS =
  'id, name, role, permissions, principal, expires_at, works_until, created_at, created_by, last_used_at, revoked_at';

/** @throws DomainError AUTH_GRANT_EXCEEDED */
export async function createKey(tx: Tx, maker: KeyMaker, wanted: KeyWanted, now: number): Promise<MadeKey> {
  const grant = { role: wanted.role ?? null, permissions: wanted.permissions ?? null };
  refuseExcess(maker, grant);
  await lockKeys(tx, maker.tenantId);
  await assertQuota(tx, maker.tenantId, 'apiKeys');
  const principal = await freePrincipal(tx, maker.tenantId, wanted.name);
  const made = await insertKey(
    tx,
    maker,
    { ...grant, name: wanted.name, principal, expiresAt: wanted.expiresAt ?? null },
    now,
  );
  return made;
}

/** Newest first, with those that do not work any more. */
export function listKeys(tx: Tx, tenantId: string, page: PageRequest, now: number): Promise<Page<KeyView>> {
  return readPage<KeyRow, KeyView>(
    tx,
    {
      columns: COLUMNS,
      from: 'api_keys',
      where: ['tenant_id = $1'],
      values: [tenantId],
      sorts: { createdAt: BY_CREATION },
      time: 'createdAt',
    },
    page,
    (row) => toView(row, now),
  );
}

/** @throws DomainError AUTH_KEY_NOT_FOUND */
export async function readKey(tx: Tx, tenantId: string, id: string, now: number): Promise<KeyView> {
  return toView(await rowOf(tx, tenantId, id), now);
}

/** `expiresAt`: epoch milliseconds, null = never. Absent members stay as they are. */
export interface KeyChange {
  readonly name?: string | undefined;
  readonly expiresAt?: number | null | undefined;
}

/**
 * @param hasIssuer whether operators can come in by tokens of an identity provider
 * @throws DomainError AUTH_KEY_NOT_FOUND, AUTH_KEY_LAST_OWNER, AUTH_GRANT_EXCEEDED
 */
export async function changeKey(
  tx: Tx,
  maker: KeyMaker,
  id: string,
  change: KeyChange,
  { now, hasIssuer }: { now: number; hasIssuer: boolean },
): Promise<KeyView> {
  const { tenantId } = maker;
  await lockKeys(tx, tenantId);
  const before = await readKey(tx, tenantId, id, now);
  const expiresAt = change.expiresAt === undefined ? before.expiresAt : change.expiresAt;
  if (expiresAt !== before.expiresAt) {
    refuseExcess(maker, before);
    if (expiresAt !== null && !hasIssuer) await refuseLastOwner(tx, tenantId, before);
    // One that has ended may work again.
    if (before.state === 'expired') await assertQuota(tx, tenantId, 'apiKeys');
  }
  await tx.query('UPDATE api_keys SET name = $3, expires_at = $4 WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
    change.name ?? before.name,
    iso(expiresAt),
  ]);
  return readKey(tx, tenantId, id, now);
}

/**
 * A key that was revoked before stays so. @throws DomainError AUTH_KEY_NOT_FOUND, AUTH_KEY_LAST_OWNER
 */
export async function revokeKey(
  tx: Tx,
  tenantId: string,
  id: string,
  { now, hasIssuer }: { now: number; hasIssuer: boolean },
): Promise<void> {
  await lockKeys(tx, tenantId);
  const before = await readKey(tx, tenantId, id, now);
  if (before.state === 'revoked') return;
  if (!hasIssuer) await refuseLastOwner(tx, tenantId, before);
  await tx.query('UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2', [tenantId, id, iso(now)]);
}

/**
 * A successor with the same name, grant, end and principal; the key itself works until `overlapMs` have passed.
 * @throws DomainError AUTH_KEY_NOT_FOUND, AUTH_KEY_STATE, AUTH_GRANT_EXCEEDED
 */
export async function rotateKey(tx: Tx, maker: KeyMaker, id: string, overlapMs: number, now: number): Promise<MadeKey> {
  const { tenantId } = maker;
  await lockKeys(tx, tenantId);
  const row = await rowOf(tx, tenantId, id);
  const before = toView(row, now);
  if (before.state !== 'active')
    throw new DomainError('AUTH_KEY_STATE', `this key is ${before.state}: make another one`, { state: before.state });
  refuseExcess(maker, before);
  await refuseSecondSuccessor(tx, tenantId, id, now);
  await assertQuota(tx, tenantId, 'apiKeys');
  const successor = { ...before, principal: row.principal, rotatedFrom: id };
  const made = await insertKey(tx, maker, successor, now);
  await tx.query(
    'UPDATE api_keys SET works_until = least(works_until, $3::timestamptz) WHERE tenant_id = $1 AND id = $2',
    [tenantId, id, iso(now + overlapMs)],
  );
  return made;
}

/** One command on the keys of a tenant at a time: what is counted and who is last stays true until the commit. */
async function lockKeys(tx: Tx, tenantId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('slipway.api_keys.' || $1, 0))`, [tenantId]);
}

async function insertKey(
  tx: Tx,
  { tenantId, by }: KeyMaker,
  wanted: Grant & { name: string; principal: string; expiresAt: number | null; rotatedFrom?: string },
  now: number,
): Promise<MadeKey> {
  const id = randomUUID();
  const key = newKey(id);
  const { rows } = await tx.query<KeyRow>(
    `INSERT INTO api_keys (tenant_id, id, name, role, permissions, principal, secret_hash, expires_at, created_at,
       created_by, rotated_from)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ${COLUMNS}`,
    [
      tenantId,
      id,
      wanted.name,
      wanted.role,
      wanted.permissions,
      wanted.principal,
      hashOf(key),
      iso(wanted.expiresAt),
      iso(now),
      by,
      wanted.rotatedFrom ?? null,
    ],
  );
  return { view: toView(oneRow(rows, 'the new key'), now), key };
}

/** @throws DomainError AUTH_GRANT_EXCEEDED */
function refuseExcess({ tenantId, permissions }: KeyMaker, grant: Grant): void {
  const wanted = [...permissionsOfKey(grant, tenantId), ...(grant.permissions ?? [])];
  const missing = lacking(permissions, wanted);
  if (missing !== undefined)
    throw new DomainError('AUTH_GRANT_EXCEEDED', `a key gets no more than its maker holds, who lacks ${missing}`, {
      permission: missing,
    });
}

/** @throws DomainError AUTH_KEY_LAST_OWNER where this is the only owner's key that works without an end. */
async function refuseLastOwner(tx: Tx, tenantId: string, key: KeyView): Promise<void> {
  if (!isLasting(key)) return;
  const { rowCount } = await tx.query(
    `SELECT FROM api_keys WHERE tenant_id = $1 AND id <> $2 AND role = 'owner' AND revoked_at IS NULL
      AND expires_at IS NULL AND works_until IS NULL`,
    [tenantId, key.id],
  );
  if (rowCount !== 0) return;
  throw new DomainError(
    'AUTH_KEY_LAST_OWNER',
    'this is the last key of an owner that does not expire, and no identity provider lets one in: make another first',
  );
}

function isLasting({ role, state, expiresAt, worksUntil }: KeyView): boolean {
  return role === 'owner' && state === 'active' && expiresAt === null && worksUntil === null;
}

async function refuseSecondSuccessor(tx: Tx, tenantId: string, id: string, now: number): Promise<void> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM api_keys WHERE tenant_id = $1 AND rotated_from = $2 AND revoked_at IS NULL
      AND coalesce(least(expires_at, works_until) > $3, true)`,
    [tenantId, id, iso(now)],
  );
  if (rows[0])
    throw new DomainError(
      'AUTH_KEY_STATE',
      `this key has a successor already, ${rows[0].id}: use it, or have it revoked before this one is rotated again`,
      { successor: rows[0].id },
    );
}

async function rowOf(tx: Tx, tenantId: string, id: string): Promise<KeyRow> {
  const { rows } = await tx.query<KeyRow>(`SELECT ${COLUMNS} FROM api_keys WHERE tenant_id = $1 AND id = $2`, [
    tenantId,
    id,
  ]);
  if (!rows[0]) throw new DomainError('AUTH_KEY_NOT_FOUND', `there is no key ${id}`);
  return rows[0];
}

function toView(row: KeyRow, now: number): KeyView {
  const ends = [ms(row.expires_at), ms(row.works_until)].filter((end) => end !== null);
  const hasEnded = ends.some((end) => end <= now);
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    permissions: row.permissions,
    expiresAt: ms(row.expires_at),
    worksUntil: ms(row.works_until),
    createdAt: row.created_at.getTime(),
    createdBy: row.created_by,
    lastUsedAt: ms(row.last_used_at),
    revokedAt: ms(row.revoked_at),
    state: row.revoked_at !== null ? 'revoked' : hasEnded ? 'expired' : 'active',
  };
}
