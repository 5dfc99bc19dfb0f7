import { DomainError } from '../../domain/errors.js';
import { HELD, type JobKind, type JobState, type LineFault } from '../../domain/fleet/job.js';
import { newId } from '../db/ids.js';
import { oneRow } from '../db/one-row.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { BY_CREATION, readPage } from '../db/read-page.js';
import { iso } from '../db/times.js';

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
  /** Until when its maker can read the result; null where there is none, or not yet, or not any more. */
  readonly resultUntil: string | null;
  /** Why it is not worked on; null where it is, or has ended. */
  readonly waitingOn: string | null;
}

/** How the request came in that made a job. */
export interface Origin {
  readonly address: string | null;
  readonly credential: string | null;
  readonly requestId: string;
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
  has_result: boolean;
  result_deleted_at: Date | null;
  held: boolean;
}

const COLUMNS = `id, kind, state, spec, created_by, created_at, started_at, ended_at, total, done, failed, skipped, errors,
  has_result, result_deleted_at,
  ended_at IS NULL AND EXISTS (SELECT FROM tenants t WHERE t.id = jobs.tenant_id AND t.state <> 'active') AS held`;

/** Of the errors of a job, this many are kept; `failed` counts all. */
export const MAX_ERRORS = 100;
/** Passwords are shown for an hour. */
export const RESULT_MS = 3_600_000;

/** @param state `receiving` while its lines still come */
export async function createJob(
  tx: Tx,
  tenantId: string,
  job: {
    kind: JobKind;
    state: 'receiving' | 'queued';
    spec: object;
    createdBy: string;
    origin: Origin;
    hasResult: boolean;
  },
  now: number,
): Promise<JobView> {
  const { rows } = await tx.query<JobRow>(
    `INSERT INTO jobs (tenant_id, id, kind, state, spec, created_by, created_at, origin, has_result)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ${COLUMNS}`,
    [
      tenantId,
      newId(),
      job.kind,
      job.state,
      JSON.stringify(job.spec),
      job.createdBy,
      iso(now),
      JSON.stringify(job.origin),
      job.hasResult,
    ],
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
    resultUntil:
      row.has_result && row.ended_at !== null && row.result_deleted_at === null
        ? iso(row.ended_at.getTime() + RESULT_MS)
        : null,
    waitingOn: row.held ? HELD : null,
  };
}
