import { randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { noSuchType } from '../fleet/types.js';
import { hashOf } from '../db/api-keys.js';
import { newEnrolmentToken } from '../db/key-format.js';
import { oneRow } from '../db/one-row.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Pool, Tx } from '../db/pool.js';
import { BY_CREATION, readPage } from '../db/read-page.js';
import { asService } from '../db/transaction.js';

/** As it is shown: without its secret. Times are RFC 3339. */
export interface EnrolmentToken {
  readonly id: string;
  readonly name: string;
  readonly deviceTypeId: string;
  readonly uses: number;
  readonly used: number;
  readonly approval: 'auto' | 'manual';
  readonly expiresAt: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly revokedAt?: string;
  readonly state: 'active' | 'exhausted' | 'expired' | 'revoked';
}

/** `expiresAt`: epoch milliseconds. */
export interface TokenWanted {
  readonly name?: string | undefined;
  readonly deviceTypeId: string;
  readonly uses: number;
  readonly expiresAt: number;
  readonly approval: 'auto' | 'manual';
}

interface TokenRow {
  id: string;
  name: string;
  device_type_id: string;
  uses: number;
  used: number;
  approval: 'auto' | 'manual';
  expires_at: Date;
  created_at: Date;
  created_by: string;
  revoked_at: Date | null;
}

const COLUMNS = 'id, name, device_type_id, uses, used, approval, expires_at, created_at, created_by, revoked_at';

/** @throws DomainError DEVICETYPE_NOT_FOUND, REQUEST_VALIDATION where its end has passed */
export async function createEnrolmentToken(
  tx: Tx,
  { tenantId, by }: { tenantId: string; by: string },
  wanted: TokenWanted,
  now: number,
): Promise<EnrolmentToken & { token: string }> {
  if (wanted.expiresAt <= now) {
    const detail = 'must lie in the future';
    throw new DomainError('REQUEST_VALIDATION', `expiresAt ${detail}`, { errors: [{ pointer: '/expiresAt', detail }] });
  }
  const type = await tx.query('SELECT FROM device_types WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    wanted.deviceTypeId,
  ]);
  if (type.rowCount === 0) throw noSuchType(wanted.deviceTypeId);
  const id = randomUUID();
  const token = newEnrolmentToken(id);
  const { rows } = await tx.query<TokenRow>(
    `INSERT INTO enrolment_tokens (tenant_id, id, name, device_type_id, uses, approval, secret_hash, expires_at, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING ${COLUMNS}`,
    [
      tenantId,
      id,
      wanted.name ?? `${wanted.uses} devices`,
      wanted.deviceTypeId,
      wanted.uses,
      wanted.approval,
      hashOf(token),
      new Date(wanted.expiresAt),
      new Date(now),
      by,
    ],
  );
  return { ...toToken(oneRow(rows, 'the new token'), now), token };
}

/** Newest first, with those that do not work any more. */
export function listEnrolmentTokens(
  tx: Tx,
  tenantId: string,
  page: PageRequest,
  now: number,
): Promise<Page<EnrolmentToken>> {
  return readPage<TokenRow, EnrolmentToken>(
    tx,
    {
      columns: COLUMNS,
      from: 'enrolment_tokens',
      where: ['tenant_id = $1'],
      values: [tenantId],
      sorts: { createdAt: BY_CREATION },
      time: 'createdAt',
    },
    page,
    (row) => toToken(row, now),
  );
}

/** It stands in the list, and enrols no device any more. @throws DomainError ENROLMENT_TOKEN_NOT_FOUND */
export async function revokeEnrolmentToken(tx: Tx, tenantId: string, id: string, now: number): Promise<void> {
  const { rowCount } = await tx.query(
    'UPDATE enrolment_tokens SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2',
    [tenantId, id, new Date(now)],
  );
  if (rowCount === 0) throw new DomainError('ENROLMENT_TOKEN_NOT_FOUND', `there is no enrolment token ${id}`);
}

/** Whose token it is, whatever its state: as a service, since which tenant asks is what this finds out. */
export async function findEnrolmentToken(
  pool: Pool,
  secretHash: Buffer,
): Promise<{ tenantId: string; id: string } | undefined> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ tenant_id: string; id: string }>('SELECT tenant_id, id FROM enrolment_tokens WHERE secret_hash = $1', [
      secretHash,
    ]),
  );
  const [row] = rows;
  return row && { tenantId: row.tenant_id, id: row.id };
}

function stateOf(row: TokenRow, now: number): EnrolmentToken['state'] {
  if (row.revoked_at !== null) return 'revoked';
  if (row.expires_at.getTime() <= now) return 'expired';
  return row.used >= row.uses ? 'exhausted' : 'active';
}

function toToken(row: TokenRow, now: number): EnrolmentToken {
  return {
    id: row.id,
    name: row.name,
    deviceTypeId: row.device_type_id,
    uses: row.uses,
    used: row.used,
    approval: row.approval,
    expiresAt: row.expires_at.toISOString(),
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by,
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at.toISOString() }),
    state: stateOf(row, now),
  };
}
