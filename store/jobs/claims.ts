import type { JobKind, LineFault } from '../../domain/fleet/job.js';
import { newId } from '../db/ids.js';
import type { Pool, Tx } from '../db/pool.js';
import { iso } from '../db/times.js';
import { asService } from '../db/transaction.js';
import { MAX_ERRORS, type JobLine, type Origin } from './jobs.js';
import { dropLines } from './sweep.js';

/** A process that lives says so more often: it claims again with each page. */
export const CLAIM_MS = 30_000;

/** A job that this process works on: while the claim is its own. */
export interface ClaimedJob {
  readonly tenantId: string;
  readonly id: string;
  readonly claim: string;
  readonly kind: JobKind;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly createdBy: string;
  readonly origin: Origin;
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
  origin: Origin | null;
  position: number;
  attempts: number;
}

/** Nothing more is done while the tenant of the job is suspended. */
const MAY_GO_ON = `NOT cancel_asked
  AND EXISTS (SELECT FROM tenants t WHERE t.id = jobs.tenant_id AND t.state = 'active')`;

/** The oldest job of an active tenant on which no process works; undefined where there is none. */
export async function claimJob(pool: Pool, now: number): Promise<ClaimedJob | undefined> {
  const claim = newId(now);
  const { rows } = await asService(pool, (tx) =>
    tx.query<ClaimedRow>(
      `UPDATE jobs j SET state = 'running', attempts = attempts + 1, claim = $1, claimed_until = $3, started_at = coalesce(started_at, $2)
       FROM (SELECT tenant_id, id FROM jobs WHERE state IN ('queued', 'running')
         AND (claimed_until IS NULL OR claimed_until < $2 OR claimed_until > $3)
         AND EXISTS (SELECT FROM tenants t WHERE t.id = jobs.tenant_id AND t.state = 'active')
         ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS next
       WHERE j.tenant_id = next.tenant_id AND j.id = next.id
       RETURNING j.tenant_id, j.id, j.kind, j.spec, j.created_by, j.origin, j.position, j.attempts`,
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
      origin: row.origin ?? { address: null, credential: null, requestId: row.id },
      position: row.position,
      attempts: row.attempts,
    }
  );
}

/** Keeps the claim for some more seconds. @returns false where it was lost, or the job is to be cancelled or held */
export async function keepClaim(pool: Pool, job: ClaimedJob, now: number): Promise<boolean> {
  const { rowCount } = await asService(pool, (tx) =>
    tx.query(`UPDATE jobs SET claimed_until = $4 WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND ${MAY_GO_ON}`, [
      job.tenantId,
      job.id,
      job.claim,
      iso(now + CLAIM_MS),
    ]),
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
 * @throws where another process has the job now, or it is to be cancelled or held: then nothing is done
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
     WHERE tenant_id = $1 AND id = $2 AND claim = $3 AND ${MAY_GO_ON}`,
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

/** Another process has the job, or it is to be cancelled or held. */
export class ClaimLost extends Error {
  override readonly name = 'ClaimLost';
}

/** Then its lines go, in pages: what a crash leaves of them is swept. A job that another process has is left to it. */
export async function endJob(
  pool: Pool,
  job: ClaimedJob,
  state: 'done' | 'failed' | 'canceled',
  now: number,
): Promise<void> {
  const { rowCount } = await asService(pool, (tx) =>
    tx.query(
      'UPDATE jobs SET state = $4, ended_at = $5, claim = NULL WHERE tenant_id = $1 AND id = $2 AND claim = $3',
      [job.tenantId, job.id, job.claim, state, iso(now)],
    ),
  );
  while (rowCount === 1 && (await asService(pool, (tx) => dropLines(tx, job.tenantId, job.id)))) continue;
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
