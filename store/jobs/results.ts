import { DomainError } from '../../domain/errors.js';
import type { Pool, Tx } from '../db/pool.js';
import { iso } from '../db/times.js';
import { asService } from '../db/transaction.js';
import type { ClaimedJob } from './claims.js';
import { noSuchJob, RESULT_MS } from './jobs.js';

/** A piece of a result, encrypted. `line`: the last line of the job that is in it. */
export interface SealedPiece {
  readonly line: number;
  readonly sealed: Buffer;
}

/** Adds a piece, in the transaction that made what is in it. */
export async function addResult(tx: Tx, job: ClaimedJob, { line, sealed }: SealedPiece): Promise<void> {
  await tx.query('INSERT INTO job_results (tenant_id, job_id, line, sealed) VALUES ($1, $2, $3, $4)', [
    job.tenantId,
    job.id,
    line,
    sealed,
  ]);
}

/**
 * Whether this reader can have the result now: its maker, from the end of the job on, for an hour.
 * @throws DomainError JOB_NOT_FOUND, JOB_RESULT_NOT_FOUND, JOB_STATE, JOB_RESULT_GONE
 */
export async function requireResult(
  tx: Tx,
  tenantId: string,
  id: string,
  reader: { readonly by: string; readonly readsAll: boolean },
  now: number,
): Promise<void> {
  const { rows } = await tx.query<{
    created_by: string;
    has_result: boolean;
    ended_at: Date | null;
    result_deleted_at: Date | null;
  }>('SELECT created_by, has_result, ended_at, result_deleted_at FROM jobs WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
  ]);
  const [job] = rows;
  if (!job || !(reader.readsAll || job.created_by === reader.by)) throw noSuchJob(id);
  if (!job.has_result)
    throw new DomainError('JOB_RESULT_NOT_FOUND', 'this job has no result: only an import with credentials has one');
  if (job.created_by !== reader.by)
    throw new DomainError('JOB_RESULT_NOT_FOUND', `only ${job.created_by}, who made the job, can read its result`);
  if (job.ended_at === null)
    throw new DomainError('JOB_STATE', 'the job has not ended; its result is there from its end on, for an hour');
  if (job.result_deleted_at !== null)
    throw new DomainError('JOB_RESULT_GONE', `its maker deleted the result at ${iso(job.result_deleted_at.getTime())}`);
  const until = job.ended_at.getTime() + RESULT_MS;
  if (until <= now)
    throw new DomainError(
      'JOB_RESULT_GONE',
      `the result expired at ${iso(until)}; revoke the passwords that nothing has, and make others`,
    );
}

/** The first piece after a line; undefined where there is none. */
export async function readResult(
  tx: Tx,
  tenantId: string,
  jobId: string,
  after: number,
): Promise<SealedPiece | undefined> {
  const { rows } = await tx.query<SealedPiece>(
    'SELECT line, sealed FROM job_results WHERE tenant_id = $1 AND job_id = $2 AND line > $3 ORDER BY line LIMIT 1',
    [tenantId, jobId, after],
  );
  return rows[0];
}

/** Deletes the result for good; that it was there stays known for as long as the job. */
export async function deleteResult(tx: Tx, tenantId: string, jobId: string, now: number): Promise<void> {
  await tx.query('DELETE FROM job_results WHERE tenant_id = $1 AND job_id = $2', [tenantId, jobId]);
  await tx.query('UPDATE jobs SET result_deleted_at = $3 WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    jobId,
    iso(now),
  ]);
}

/** Pieces that go in one transaction; each holds the passwords of a page of lines. */
export const PIECES_PER_PAGE = 100;

/** Removes results that are older than an hour, in pages. @returns how many pieces */
export async function sweepResults(pool: Pool, now: number): Promise<number> {
  for (let swept = 0; ;) {
    const { rowCount } = await asService(pool, (tx) =>
      tx.query(
        `DELETE FROM job_results WHERE (tenant_id, job_id, line) IN (SELECT r.tenant_id, r.job_id, r.line
           FROM job_results r JOIN jobs j ON j.tenant_id = r.tenant_id AND j.id = r.job_id WHERE j.ended_at < $1
           LIMIT ${PIECES_PER_PAGE})`,
        [iso(now - RESULT_MS)],
      ),
    );
    swept += rowCount ?? 0;
    if (rowCount !== PIECES_PER_PAGE) return swept;
  }
}
