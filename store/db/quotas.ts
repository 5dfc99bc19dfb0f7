import { DomainError } from '../../domain/errors.js';
import type { CountedQuota } from '../../domain/tenant.js';
import { oneRow } from './one-row.js';
import type { Tx } from './pool.js';

/** What there is of a tenant, by quota. */
export type Usage = Readonly<Record<CountedQuota, number>>;

interface UsageRow {
  devices: string;
  firmwares: string;
  bytes: string;
  open_rollouts: string;
  api_keys: string;
}

/** Counted over the rows, with what open uploads announced: exact, and some milliseconds for each 100,000 devices. */
export async function readUsage(tx: Tx, tenantId: string): Promise<Usage> {
  const { rows } = await tx.query<UsageRow>(
    `SELECT (SELECT count(*) FROM devices WHERE tenant_id = $1) AS devices,
       (SELECT count(*) FROM firmwares WHERE tenant_id = $1 AND state IN ('draft', 'ready')) AS firmwares,
       (SELECT coalesce(sum(size), 0)::bigint FROM firmwares WHERE tenant_id = $1 AND state = 'ready')
         + (SELECT coalesce(sum(length), 0)::bigint FROM firmware_uploads WHERE tenant_id = $1
           AND finished_at IS NULL AND expires_at > now()) AS bytes,
       (SELECT count(*) FROM rollouts WHERE tenant_id = $1 AND finished_at IS NULL AND closed_at IS NULL)
         AS open_rollouts,
       (SELECT count(*) FROM api_keys WHERE tenant_id = $1 AND revoked_at IS NULL
         AND coalesce(least(expires_at, works_until) > now(), true)) AS api_keys`,
    [tenantId],
  );
  const row = oneRow(rows, 'what there is of a tenant');
  return {
    devices: Number(row.devices),
    firmwares: Number(row.firmwares),
    bytes: Number(row.bytes),
    openRollouts: Number(row.open_rollouts),
    apiKeys: Number(row.api_keys),
  };
}

/**
 * To be called in the transaction that writes, before it writes: until its commit no other one of this tenant counts
 * the same quota, so that none is ever exceeded. A tenant without the quota pays one look at its row.
 * @param adding how many more there will be
 * @throws DomainError TENANT_QUOTA with the quota, its value and what there is
 */
export async function assertQuota(tx: Tx, tenantId: string, quota: CountedQuota, adding = 1): Promise<void> {
  const { rows } = await tx.query<{ value: string | null }>(
    'SELECT quotas->>$2::text AS value FROM tenants WHERE id = $1',
    [tenantId, quota],
  );
  const bound = rows[0]?.value;
  if (bound === null || bound === undefined) return;
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('slipway.quota.' || $1 || '/' || $2, 0))`, [
    tenantId,
    quota,
  ]);
  const value = Number(bound);
  const usage = (await readUsage(tx, tenantId))[quota];
  if (usage + adding <= value) return;
  throw new DomainError('TENANT_QUOTA', `the quota ${quota} of this tenant is ${value}, and ${usage} are in use`, {
    quota,
    value,
    usage,
  });
}
