import type { Pool, Tx } from '../db/pool.js';
import { iso } from '../db/times.js';
import { asService } from '../db/transaction.js';

/** Lines that go in one transaction: some milliseconds. */
export const LINES_PER_PAGE = 2_000;
/** What ended is shown for a day. */
const KEPT_MS = 24 * 3_600_000;
/** An upload that says nothing for this long broke off with its process. */
const ABANDONED_MS = 3_600_000;

/** Takes away a page of the lines of a job. @returns whether there may be more */
export async function dropLines(tx: Tx, tenantId: string, jobId: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `DELETE FROM job_lines WHERE tenant_id = $1 AND job_id = $2 AND line IN (SELECT line FROM job_lines
       WHERE tenant_id = $1 AND job_id = $2 ORDER BY line LIMIT ${LINES_PER_PAGE})`,
    [tenantId, jobId],
  );
  return rowCount === LINES_PER_PAGE;
}

/**
 * Takes away a job whose lines broke off, a page of them at a time, and with the last page the job: nothing of it was
 * done. @returns whether there may be more
 */
export async function dropJob(tx: Tx, tenantId: string, jobId: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `SELECT FROM jobs WHERE tenant_id = $1 AND id = $2 AND state = 'receiving' FOR UPDATE`,
    [tenantId, jobId],
  );
  if (rowCount === 0) return false;
  if (await dropLines(tx, tenantId, jobId)) return true;
  await tx.query(`DELETE FROM jobs WHERE tenant_id = $1 AND id = $2`, [tenantId, jobId]);
  return false;
}

/**
 * Jobs that ended a day ago, those whose lines broke off with the process that read them, and lines of those that ended
 * since. Any number of processes may do so at once. @returns how many jobs
 */
export async function sweepJobs(pool: Pool, now: number): Promise<number> {
  for (let swept = 0; ;) {
    const page = await asService(pool, (tx) => sweepPage(tx, now));
    if (page === 'none') return swept;
    if (page === 'job') swept += 1;
  }
}

const GOES = `(coalesce(ended_at < $1, false) OR state = 'receiving' AND created_at < $2)`;

/** A page of the lines of one job, and with the last of them the job itself, where it is old. */
async function sweepPage(tx: Tx, now: number): Promise<'none' | 'lines' | 'job'> {
  const { rows } = await tx.query<{ tenant_id: string; id: string; goes: boolean }>(
    `SELECT tenant_id, id, ${GOES} AS goes FROM jobs j
     WHERE ${GOES} OR (ended_at IS NOT NULL
       AND EXISTS (SELECT FROM job_lines l WHERE l.tenant_id = j.tenant_id AND l.job_id = j.id))
     ORDER BY 1, 2 LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [iso(now - KEPT_MS), iso(now - ABANDONED_MS)],
  );
  const [found] = rows;
  if (!found) return 'none';
  if ((await dropLines(tx, found.tenant_id, found.id)) || !found.goes) return 'lines';
  const { rowCount } = await tx.query('DELETE FROM jobs WHERE tenant_id = $1 AND id = $2', [found.tenant_id, found.id]);
  return rowCount === 1 ? 'job' : 'lines';
}
