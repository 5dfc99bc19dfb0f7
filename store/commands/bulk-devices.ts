import { effectOf, type Shown } from '../../domain/audit/actions.js';
import type { LineFault } from '../../domain/fleet/job.js';
import type { BulkAction } from '../../protocol/http/jobs.js';
import type { Tx } from '../db/pool.js';
import { filterCondition } from '../fleet/filter.js';
import { readSubject } from '../audit/subjects.js';
import { recordDone, recordedFor, type Done } from '../jobs/acts.js';
import type { ClaimedJob } from '../jobs/claims.js';
import { readInstallation } from './create-installation.js';
import { deleteDevice } from './delete-device.js';
import { behindSavepoint } from './import-devices.js';
import { report } from './report.js';
import { retryInstallation } from './retry-installation.js';
import { wantSweeps } from './sweep.js';

/** Devices that become lines by one statement: each has 15 s, however large the fleet is. */
export const MATCHED_PER_PAGE = 5_000;

/**
 * Makes the devices that a filter matches now the lines of a job, by their creation. @returns how many
 */
export async function addMatchingDevices(tx: Tx, tenantId: string, jobId: string, filter: string): Promise<number> {
  const values: unknown[] = [tenantId, jobId];
  const condition = filterCondition(filter, values, { devices: 'devices', tenant: '$1' });
  const [line, at, id] = [1, 2, 3].map((n) => `$${values.length + n}`);
  let [lines, after] = [0, { at: '-infinity', id: '00000000-0000-0000-0000-000000000000' }];
  for (;;) {
    const { rows } = await tx.query<{ at: string; id: string }>(
      `WITH page AS (SELECT created_at, id FROM devices WHERE tenant_id = $1 AND ${condition}
           AND (created_at, id) > (${at}::timestamptz, ${id}::uuid) ORDER BY created_at, id LIMIT ${MATCHED_PER_PAGE}),
         added AS (INSERT INTO job_lines (tenant_id, job_id, line, body)
           SELECT $1, $2, ${line}::integer + row_number() OVER (ORDER BY created_at, id), id::text FROM page)
       SELECT created_at::text AS at, id FROM page ORDER BY created_at, id`,
      [...values, lines, after.at, after.id],
    );
    lines += rows.length;
    const last = rows.at(-1);
    if (!last || rows.length < MATCHED_PER_PAGE) return lines;
    after = last;
  }
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

/**
 * Does it to each of these devices, and writes each that it changed into the audit. A device that is gone by now is no
 * fault: there is nothing left to do to it.
 * @param now epoch milliseconds
 */
export async function actOnDevices(
  tx: Tx,
  job: ClaimedJob,
  devices: readonly BulkDevice[],
  action: BulkAction,
  now: number,
): Promise<LineFault[]> {
  const ids = devices.map(({ id }) => id);
  switch (action.action) {
    case 'tag':
      await changeAll(tx, job, await addTag(tx, job.tenantId, ids, action.tag), now);
      return tooManyTags(tx, job.tenantId, devices, action.tag);
    case 'untag':
      await changeAll(tx, job, await takeTag(tx, job.tenantId, ids, action.tag), now);
      return [];
    case 'setAttribute':
      await changeAll(tx, job, await setAttribute(tx, job.tenantId, ids, action.key, action.value), now);
      return action.value === null ? [] : tooLarge(tx, job.tenantId, devices, action.key, action.value);
    case 'cancel':
      return eachOf(tx, devices, (id) => cancelOpen(tx, job, id, action.reason, now));
    case 'retry':
      return eachOf(tx, devices, (id) => retryEnded(tx, job, id, now));
    case 'delete':
      return eachOf(tx, devices, async (id) => {
        const there = await tx.query('SELECT FROM devices WHERE tenant_id = $1 AND id = $2', [job.tenantId, id]);
        if (there.rowCount !== 1) return;
        await recordedFor(tx, job, { action: 'device.delete', id }, now, () =>
          deleteDevice(tx, job.tenantId, id, action.force ?? false, now),
        );
      });
  }
}

/** A device whose row was changed: a member of it before and afterwards. */
interface Changed {
  readonly id: string;
  /** @narrowed tags or custom as JSON, in an object of that name */
  readonly was: Shown;
  /** @narrowed likewise */
  readonly is: Shown;
}

async function changeAll(tx: Tx, job: ClaimedJob, changed: readonly Changed[], now: number): Promise<void> {
  await wantSweeps(tx, job.tenantId);
  const done = changed.map(({ id, was, is }): Done => ({ action: 'device.change', id, effect: effectOf(was, is) }));
  await recordDone(tx, job, done, now);
}

async function addTag(tx: Tx, tenantId: string, ids: readonly string[], tag: string): Promise<Changed[]> {
  const { rows } = await tx.query<Changed>(
    `UPDATE devices d SET tags = array_append(d.tags, $3), updated_at = now()
     FROM (SELECT id, tags FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND NOT $3 = ANY(tags)
       AND cardinality(tags) < 100 ORDER BY id FOR UPDATE) AS o
     WHERE d.tenant_id = $1 AND d.id = o.id
     RETURNING d.id, jsonb_build_object('tags', o.tags) AS was, jsonb_build_object('tags', d.tags) AS is`,
    [tenantId, ids, tag],
  );
  return rows;
}

async function takeTag(tx: Tx, tenantId: string, ids: readonly string[], tag: string): Promise<Changed[]> {
  const { rows } = await tx.query<Changed>(
    `UPDATE devices d SET tags = array_remove(d.tags, $3), updated_at = now()
     FROM (SELECT id, tags FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND $3 = ANY(tags)
       ORDER BY id FOR UPDATE) AS o
     WHERE d.tenant_id = $1 AND d.id = o.id
     RETURNING d.id, jsonb_build_object('tags', o.tags) AS was, jsonb_build_object('tags', d.tags) AS is`,
    [tenantId, ids, tag],
  );
  return rows;
}

/** Of the attributes of a device as JSON: as of the body of a request. Each of many jobs adds a little. */
const MAX_CUSTOM_BYTES = 1_048_576;
/** Bytes of the attributes with one more, $3 and $4. */
const WITH_ATTRIBUTE = `octet_length((coalesce(d.custom, '{}') || jsonb_build_object($3::text, $4::jsonb))::text)`;

async function setAttribute(
  tx: Tx,
  tenantId: string,
  ids: readonly string[],
  key: string,
  value: unknown,
): Promise<Changed[]> {
  const { rows } = await tx.query<Changed>(
    `UPDATE devices d SET updated_at = now(), custom = CASE WHEN $4::jsonb = 'null' THEN d.custom - $3::text
       ELSE coalesce(d.custom, '{}') || jsonb_build_object($3::text, $4::jsonb) END
     FROM (SELECT id, custom FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE) AS o
     WHERE d.tenant_id = $1 AND d.id = o.id AND ($4::jsonb = 'null' OR ${WITH_ATTRIBUTE} <= ${MAX_CUSTOM_BYTES})
     RETURNING d.id, jsonb_build_object('custom', coalesce(o.custom, '{}')) AS was,
       jsonb_build_object('custom', coalesce(d.custom, '{}')) AS is`,
    [tenantId, ids, key, JSON.stringify(value ?? null)],
  );
  return rows;
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

/** Those that did not get the attribute, because they would have more than they may. */
async function tooLarge(
  tx: Tx,
  tenantId: string,
  devices: readonly BulkDevice[],
  key: string,
  value: unknown,
): Promise<LineFault[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT d.id FROM devices d WHERE d.tenant_id = $1 AND d.id = ANY($2::uuid[])
       AND ${WITH_ATTRIBUTE} > ${MAX_CUSTOM_BYTES}`,
    [tenantId, devices.map(({ id }) => id), key, JSON.stringify(value)],
  );
  const large = new Set(rows.map(({ id }) => id));
  return devices
    .filter(({ id }) => large.has(id))
    .map(({ line, id }) => ({
      line,
      pointer: '',
      detail: `device ${id} would have more than ${MAX_CUSTOM_BYTES} bytes of attributes`,
    }));
}

async function cancelOpen(
  tx: Tx,
  job: ClaimedJob,
  deviceId: string,
  reason: string | undefined,
  now: number,
): Promise<void> {
  const { tenantId, createdBy } = job;
  const { rows } = await tx.query<{ id: string }>(
    'SELECT id FROM installations WHERE tenant_id = $1 AND device_id = $2 AND ended_at IS NULL ORDER BY requested_at',
    [tenantId, deviceId],
  );
  for (const { id } of rows)
    await recordedFor(tx, job, { action: 'installation.cancel', id }, now, () =>
      report(
        tx,
        tenantId,
        {
          deviceId,
          installationId: id,
          event: { type: 'cancel', ...(reason === undefined ? {} : { reason }) },
          by: { kind: 'operator', id: createdBy },
        },
        now,
      ),
    );
}

/** The newest installation of each slot, where it ended without its content being there. */
async function retryEnded(tx: Tx, job: ClaimedJob, deviceId: string, now: number): Promise<void> {
  const { tenantId, createdBy } = job;
  const { rows } = await tx.query<{ id: string; state: string }>(
    `SELECT DISTINCT ON (slot) id, state FROM installations WHERE tenant_id = $1 AND device_id = $2
      ORDER BY slot, requested_at DESC, id DESC`,
    [tenantId, deviceId],
  );
  for (const { id, state } of rows) {
    if (!['failed', 'rejected', 'timed_out', 'canceled'].includes(state)) continue;
    const old = await readInstallation(tx, tenantId, deviceId, id);
    if (!old) continue;
    const made = await retryInstallation(tx, tenantId, old, createdBy, now);
    const effect = effectOf(undefined, await readSubject(tx, tenantId, 'installation', made.id));
    await recordDone(tx, job, [{ action: 'installation.retry', id: made.id, effect }], now);
  }
}
