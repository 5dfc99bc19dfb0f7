import type { LineFault } from '../../domain/fleet/job.js';
import type { BulkAction } from '../../protocol/http/jobs.js';
import type { Tx } from '../db/pool.js';
import { filterCondition } from '../fleet/filter.js';
import { readInstallation } from './create-installation.js';
import { deleteDevice } from './delete-device.js';
import { behindSavepoint } from './import-devices.js';
import { report } from './report.js';
import { retryInstallation } from './retry-installation.js';
import { wantSweeps } from './sweep.js';

/**
 * Makes the devices that a filter matches now the lines of a job, by their creation. @returns how many
 */
export async function addMatchingDevices(tx: Tx, tenantId: string, jobId: string, filter: string): Promise<number> {
  const values: unknown[] = [tenantId, jobId];
  const { rowCount } = await tx.query(
    `INSERT INTO job_lines (tenant_id, job_id, line, body)
     SELECT $1, $2, row_number() OVER (ORDER BY created_at, id), id::text FROM devices
     WHERE tenant_id = $1 AND ${filterCondition(filter, values, { devices: 'devices', tenant: '$1' })}`,
    values,
  );
  return rowCount ?? 0;
}

/** How many devices a filter matches now. */
export async function countMatchingDevices(tx: Tx, tenantId: string, filter: string): Promise<number> {
  const values: unknown[] = [tenantId];
  const { rows } = await tx.query<{ n: string }>(
    `SELECT count(*) AS n FROM devices
     WHERE tenant_id = $1 AND ${filterCondition(filter, values, { devices: 'devices', tenant: '$1' })}`,
    values,
  );
  return Number(rows[0]?.n ?? 0);
}

/** One device of a job. */
export interface BulkDevice {
  readonly line: number;
  readonly id: string;
}

/** A device that is gone by now is no fault: there is nothing left to do to it. */
export async function actOnDevices(
  tx: Tx,
  tenantId: string,
  devices: readonly BulkDevice[],
  action: BulkAction,
  by: string,
  now: number,
): Promise<LineFault[]> {
  const ids = devices.map(({ id }) => id);
  switch (action.action) {
    case 'tag':
      await tx.query(
        `UPDATE devices SET tags = array_append(tags, $3), updated_at = now()
         WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND NOT $3 = ANY(tags) AND cardinality(tags) < 100`,
        [tenantId, ids, action.tag],
      );
      await wantSweeps(tx, tenantId);
      return tooManyTags(tx, tenantId, devices, action.tag);
    case 'untag':
      await tx.query(
        `UPDATE devices SET tags = array_remove(tags, $3), updated_at = now()
         WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND $3 = ANY(tags)`,
        [tenantId, ids, action.tag],
      );
      await wantSweeps(tx, tenantId);
      return [];
    case 'setAttribute':
      await tx.query(
        `UPDATE devices SET updated_at = now(), custom = CASE WHEN $4::jsonb = 'null' THEN custom - $3::text
           ELSE coalesce(custom, '{}') || jsonb_build_object($3::text, $4::jsonb) END
         WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
        [tenantId, ids, action.key, JSON.stringify(action.value ?? null)],
      );
      await wantSweeps(tx, tenantId);
      return [];
    case 'cancel':
      return eachOf(tx, devices, (id) => cancelOpen(tx, tenantId, id, action.reason, by, now));
    case 'retry':
      return eachOf(tx, devices, (id) => retryEnded(tx, tenantId, id, by, now));
    case 'delete':
      return eachOf(tx, devices, async (id) => {
        const there = await tx.query('SELECT FROM devices WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
        if (there.rowCount === 1) await deleteDevice(tx, tenantId, id, action.force ?? false, now);
      });
  }
}

async function eachOf(
  tx: Tx,
  devices: readonly BulkDevice[],
  work: (id: string) => Promise<void>,
): Promise<LineFault[]> {
  const faults: LineFault[] = [];
  for (const { line, id } of devices) {
    const fault = await behindSavepoint(tx, line, () => work(id));
    if (fault) faults.push({ ...fault, detail: `device ${id}: ${fault.detail}` });
  }
  return faults;
}

async function tooManyTags(
  tx: Tx,
  tenantId: string,
  devices: readonly BulkDevice[],
  tag: string,
): Promise<LineFault[]> {
  const { rows } = await tx.query<{ id: string }>(
    'SELECT id FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND NOT $3 = ANY(tags)',
    [tenantId, devices.map(({ id }) => id), tag],
  );
  const full = new Set(rows.map(({ id }) => id));
  return devices
    .filter(({ id }) => full.has(id))
    .map(({ line, id }) => ({ line, pointer: '', detail: `device ${id} has 100 tags already` }));
}

async function cancelOpen(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  reason: string | undefined,
  by: string,
  now: number,
): Promise<void> {
  const { rows } = await tx.query<{ id: string }>(
    'SELECT id FROM installations WHERE tenant_id = $1 AND device_id = $2 AND ended_at IS NULL ORDER BY requested_at',
    [tenantId, deviceId],
  );
  for (const { id } of rows)
    await report(
      tx,
      tenantId,
      {
        deviceId,
        installationId: id,
        event: { type: 'cancel', ...(reason === undefined ? {} : { reason }) },
        by: { kind: 'operator', id: by },
      },
      now,
    );
}

/** The newest installation of each slot, where it ended without its content being there. */
async function retryEnded(tx: Tx, tenantId: string, deviceId: string, by: string, now: number): Promise<void> {
  const { rows } = await tx.query<{ id: string; state: string }>(
    `SELECT DISTINCT ON (slot) id, state FROM installations WHERE tenant_id = $1 AND device_id = $2
      ORDER BY slot, requested_at DESC, id DESC`,
    [tenantId, deviceId],
  );
  for (const { id, state } of rows) {
    if (!['failed', 'rejected', 'timed_out', 'canceled'].includes(state)) continue;
    const old = await readInstallation(tx, tenantId, deviceId, id);
    if (old) await retryInstallation(tx, tenantId, old, by, now);
  }
}
