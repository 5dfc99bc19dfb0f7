import { DomainError } from '../../domain/errors.js';
import type { JobKind, JobState, LineFault } from '../../domain/fleet/job.js';
import { newId } from '../db/ids.js';
import { oneRow } from '../db/one-row.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Pool, Tx } from '../db/pool.js';
import { BY_CREATION, readPage } from '../db/read-page.js';
import { iso } from '../db/times.js';
import { asService } from '../db/transaction.js';

/** How a job stands. Times are RFC 3339; counters are lines. */
export interface JobView {
  readonly id: string;
  readonly kind: JobKind;
  readonly state: JobState;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  readonly errors: readonly LineFault[];
}

interface JobRow {
  id: string;
  kind: JobKind;
  state: JobState;
  spec: Record<string, unknown>;
  created_by: string;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  total: number;
  done: number;
  failed: number;
  skipped: number;
  errors: LineFault[];
}

const COLUMNS =
  'id, kind, state, spec, created_by, created_at, started_at, ended_at, total, done, failed, skipped, errors';

/** Of the errors of a job, this many are kept; `failed` counts all. */
export const MAX_ERRORS = 100;
/** A process that lives says so more often: it claims again with each page. */
export const CLAIM_MS = 30_000;
/** What ended is shown for a day. */
const KEPT_MS = 24 * 3_600_000;
/** An upload that says nothing for this long broke off with its process. */
const ABANDONED_MS = 3_600_000;

/** @param state `receiving` while its lines still come */
export async function createJob(
  tx: Tx,
  tenantId: string,
  job: { kind: JobKind; state: 'receiving' | 'queued'; spec: object; createdBy: string },
  now: number,
): Promise<JobView> {
  const { rows } = await tx.query<JobRow>(
    `INSERT INTO jobs (tenant_id, id, kind, state, spec, created_by, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
    [tenantId, newId(), job.kind, job.state, JSON.stringify(job.spec), job.createdBy, iso(now)],
  );
  return toView(oneRow(rows, 'the new job'));
}

/** One line of a job: a text, or what is wrong with it. */
export interface JobLine {
  readonly line: number;
  readonly body: string | null;
  readonly fault: string | null;
}

/** Adds lines to a job whose lines still come. */
export async function addLines(tx: Tx, tenantId: string, jobId: string, lines: readonly JobLine[]): Promise<void> {
  await tx.query(
    `INSERT INTO job_lines (tenant_id, job_id, line, body, fault)
     SELECT $1, $2, * FROM unnest($3::integer[], $4::text[], $5::text[])`,
    [tenantId, jobId, lines.map(({ line }) => line), lines.map(({ body }) => body), lines.map(({ fault }) => fault)],
  );
}

/** All lines are there: the job may begin. */
export async function queueJob(tx: Tx, tenantId: string, jobId: string): Promise<JobView> {
  const { rows } = await tx.query<JobRow>(
    `UPDATE jobs SET state = 'queued', total = (SELECT count(*) FROM job_lines l WHERE l.tenant_id = $1 AND l.job_id = $2)
     WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, jobId],
  );
  return toView(oneRow(rows, 'the job whose lines came'));
}

/** A job that only counted has ended. */
export async function endDryRun(tx: Tx, tenantId: string, jobId: string, total: number, now: number): Promise<JobView> {
  const { rows } = await tx.query<JobRow>(
    `UPDATE jobs SET state = 'done', total = $3, ended_at = $4 WHERE tenant_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tenantId, jobId, total, iso(now)],
  );
  return toView(oneRow(rows, 'the job that counted'));
}

/** Takes away a job whose lines broke off: nothing of it was done. */
export async function dropJob(tx: Tx, tenantId: string, jobId: string): Promise<void> {
  await tx.query(`DELETE FROM jobs WHERE tenant_id = $1 AND id = $2 AND state = 'receiving'`, [tenantId, jobId]);
}

/** @throws DomainError JOB_NOT_FOUND, also where `reader` neither made it nor may read those of others */
export async function readJob(
  tx: Tx,
  tenantId: string,
  id: string,
  reader: { readonly by: string; readonly readsAll: boolean },
): Promise<JobView> {
  const { rows } = await tx.query<JobRow>(`SELECT ${COLUMNS} FROM jobs WHERE tenant_id = $1 AND id = $2`, [
    tenantId,
    id,
  ]);
  if (!rows[0] || !(reader.readsAll || rows[0].created_by === reader.by)) throw noSuchJob(id);
  return toView(rows[0]);
}

/** Newest first; only those of `reader`, unless he may read those of others. */
export function listJobs(
  tx: Tx,
  tenantId: string,
  reader: { readonly by: string; readonly readsAll: boolean },
  page: PageRequest,
): Promise<Page<JobView>> {
  return readPage<JobRow, JobView>(
    tx,
    {
      columns: COLUMNS,
      from: 'jobs',
      where: ['tenant_id = $1', '($2::boolean OR created_by = $3)'],
      values: [tenantId, reader.readsAll, reader.by],
      sorts: { createdAt: BY_CREATION },
      time: 'createdAt',
    },
    page,
    toView,
  );
}

/** One that has not begun ends at once, another one with its next page. What has ended stays as it is. */
export async function cancelJob(tx: Tx, tenantId: string, id: string, now: number): Promise<void> {
  await tx.query(
    `UPDATE jobs SET cancel_asked = true, state = CASE WHEN state = 'queued' THEN 'canceled' ELSE state END,
       ended_at = CASE WHEN state = 'queued' THEN $3::timestamptz END
     WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL`,
    [tenantId, id, iso(now)],
  );
}

/** 404. Made, not thrown. */
export function noSuchJob(id: string): DomainError {
  return new DomainError('JOB_NOT_FOUND', `job ${id} does not exist, or is another's`);
}

function toView(row: JobRow): JobView {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    spec: row.spec,
    createdBy: row.created_by,
    createdAt: row.created_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
    total: row.total,
    done: row.done,
    failed: row.failed,
    skipped: row.skipped,
    errors: row.errors,
  };
}

/** A job that this process works on: while the claim is its own. */
export interface ClaimedJob {
  readonly tenantId: string;
  readonly id: string;
  readonly claim: string;
  readonly kind: JobKind;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly createdBy: string;
  readonly position: number;
  /** How often it was claimed since something was done. */
  readonly attempts: number;
}

interface ClaimedRow {
  tenant_id: string;
  id: string;
  kind: JobKind;
  spec: Record<string, unknown>;
  created_by: string;
  position: number;
  attempts: number;
}

/** The oldest job on which no process works; undefined where there is none. */
export async function claimJob(pool: Pool, now: number): Promise<ClaimedJob | undefined> {
  const claim = newId(now);
  const { rows } = await asService(pool, (tx) =>
    tx.query<ClaimedRow>(
      `UPDATE jobs j SET state = 'running', attempts = attempts + 1, claim = $1, claimed_until = $3, started_at = coalesce(started_at, $2)
       FROM (SELECT tenant_id, id FROM jobs WHERE state IN ('queued', 'running')
         AND (claimed_until IS NULL OR claimed_until < $2 OR claimed_until > $3)
         ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS next
       WHERE j.tenant_id = next.tenant_id AND j.id = next.id
       RETURNING j.tenant_id, j.id, j.kind, j.spec, j.created_by, j.position, j.attempts`,
      [claim, iso(now), iso(now + CLAIM_MS)],
    ),
  );
  const [row] = rows;
  return (
    row && {
      tenantId: row.tenant_id,
      id: row.id,
      claim,
      kind: row.kind,
      spec: row.spec,
      createdBy: row.created_by,
      position: row.position,
      attempts: row.attempts,
    }
  );
}

/** Keeps the claim for some more seconds. @returns false where it was lost, or the job is to be cancelled */
export async function keepClaim(pool: Pool, job: ClaimedJob, now: number): Promise<boolean> {
  const { rowCount } = await asService(pool, (tx) =>
    tx.query(
      'UPDATE jobs SET claimed_until = $4 WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND NOT cancel_asked',
      [job.tenantId, job.id, job.claim, iso(now + CLAIM_MS)],
    ),
  );
  return rowCount === 1;
}

/** Gives the job back: another process need not wait for the end of the claim. */
export async function releaseClaim(pool: Pool, job: ClaimedJob): Promise<void> {
  await asService(pool, (tx) =>
    tx.query(
      'UPDATE jobs SET claim = NULL, claimed_until = NULL, attempts = 0 WHERE tenant_id = $1 AND id = $2 AND claim = $3',
      [job.tenantId, job.id, job.claim],
    ),
  );
}

/** The next lines after `after`, at most `limit`. */
export async function readJobLines(tx: Tx, job: ClaimedJob, after: number, limit: number): Promise<JobLine[]> {
  const { rows } = await tx.query<{ line: number; body: string | null; fault: string | null }>(
    `SELECT line, body, fault FROM job_lines WHERE tenant_id = $1 AND job_id = $2 AND line > $3 ORDER BY line LIMIT $4`,
    [job.tenantId, job.id, after, limit],
  );
  return rows;
}

/** What became of some lines. */
export interface Progress {
  readonly position: number;
  readonly done: number;
  readonly skipped: number;
  readonly faults: readonly LineFault[];
}

/**
 * Writes down what was done, in the transaction that did it: so that a line is done once, whichever process dies when.
 * @throws where another process has the job now, or it is to be cancelled: then nothing is done
 */
export async function recordProgress(
  tx: Tx,
  job: ClaimedJob,
  { position, done, skipped, faults }: Progress,
): Promise<void> {
  const { rowCount } = await tx.query(
    `UPDATE jobs SET position = $4, attempts = 0, done = done + $5, skipped = skipped + $6, failed = failed + $7,
       errors = (SELECT coalesce(jsonb_agg(e ORDER BY n), '[]') FROM jsonb_array_elements(errors || $8::jsonb)
         WITH ORDINALITY AS x(e, n) WHERE n <= ${MAX_ERRORS})
     WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND NOT cancel_asked`,
    [
      job.tenantId,
      job.id,
      job.claim,
      position,
      done,
      skipped,
      faults.length,
      JSON.stringify(faults.slice(0, MAX_ERRORS)),
    ],
  );
  if (rowCount !== 1) throw new ClaimLost();
}

/** Another process has the job, or it is to be cancelled. */
export class ClaimLost extends Error {
  override readonly name = 'ClaimLost';
}

/** Its lines go with it. A job that another process has is left to it. */
export async function endJob(
  pool: Pool,
  job: ClaimedJob,
  state: 'done' | 'failed' | 'canceled',
  now: number,
): Promise<void> {
  await asService(pool, async (tx) => {
    const { rowCount } = await tx.query(
      'UPDATE jobs SET state = $4, ended_at = $5, claim = NULL WHERE tenant_id = $1 AND id = $2 AND claim = $3',
      [job.tenantId, job.id, job.claim, state, iso(now)],
    );
    if (rowCount === 1)
      await tx.query('DELETE FROM job_lines WHERE tenant_id = $1 AND job_id = $2', [job.tenantId, job.id]);
  });
}

/** Whether the job was asked to end, and is still this process's. */
export async function isToBeCancelled(pool: Pool, job: ClaimedJob): Promise<boolean> {
  const { rowCount } = await asService(pool, (tx) =>
    tx.query('SELECT FROM jobs WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND cancel_asked', [
      job.tenantId,
      job.id,
      job.claim,
    ]),
  );
  return rowCount === 1;
}

/** Jobs that ended a day ago, and those whose lines broke off with the process that read them. @returns how many */
export async function sweepJobs(pool: Pool, now: number): Promise<number> {
  const { rowCount } = await asService(pool, (tx) =>
    tx.query(`DELETE FROM jobs WHERE ended_at < $1 OR (state = 'receiving' AND created_at < $2)`, [
      iso(now - KEPT_MS),
      iso(now - ABANDONED_MS),
    ]),
  );
  return rowCount ?? 0;
}
