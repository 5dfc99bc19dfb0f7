import { DomainError } from '../../domain/errors.js';
import type { Pool, Tx } from './pool.js';
import { asService } from './transaction.js';

/** A POST that may come again: its `Idempotency-Key`, and what tells it from another request with the same key. */
export interface KeyedRequest {
  key: string;
  fingerprint: Buffer;
}

/** An answer that is given again. `body` is JSON, as it was sent. */
export interface KeptAnswer {
  status: number;
  body: string;
}

/** The answer of the first request, as it is sent and as it is kept: status and body. */
export interface FirstAnswer<T> {
  /** What this request is answered. */
  given: T;
  /** What each repetition is answered. */
  kept: KeptAnswer;
}

/**
 * Clients repeat within minutes; a day covers a queue that was stopped over night. A key that is further ahead was kept
 * while PostgreSQL's clock was, and is forgotten as an old one is.
 */
const KEPT_FOR_MS = 24 * 3_600_000;

/**
 * Runs `work` for the first request with this key, and keeps its answer in the same transaction; a repetition is given
 * that answer, and changes nothing. Of two at once the second waits for the first to commit. A refusal is an answer,
 * too: what was done before it is undone, and it is kept. Whatever else is thrown leaves nothing behind, so that the
 * request may be repeated.
 * @param refusal what a thrown error is kept as; undefined where it is no refusal
 * @returns `repeated` in place of `given` where the key was used before
 * @throws DomainError REQUEST_IDEMPOTENCY_CONFLICT where the key came with another request
 */
export async function answerOnce<T>(
  tx: Tx,
  tenantId: string,
  request: KeyedRequest,
  now: number,
  work: () => Promise<FirstAnswer<T>>,
  refusal: (error: unknown) => FirstAnswer<T> | undefined,
): Promise<{ given: T } | { repeated: KeptAnswer }> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('slipway.idempotency.' || $1 || '/' || $2, 0))`, [
    tenantId,
    request.key,
  ]);
  const { rows } = await tx.query<KeptAnswer & { fingerprint: Buffer }>(
    `SELECT fingerprint, status, body FROM idempotency_keys WHERE tenant_id = $1 AND key = $2 AND created_at > $3
      AND created_at <= $4`,
    [tenantId, request.key, new Date(now - KEPT_FOR_MS), new Date(now + KEPT_FOR_MS)],
  );
  const known = rows[0];
  if (known) {
    if (!known.fingerprint.equals(request.fingerprint))
      throw new DomainError(
        'REQUEST_IDEMPOTENCY_CONFLICT',
        'this Idempotency-Key came with another path or body before; use a new key for each new request',
      );
    return { repeated: { status: known.status, body: known.body } };
  }
  const first = await attempt(tx, work, refusal);
  await tx.query(
    `INSERT INTO idempotency_keys (tenant_id, key, fingerprint, status, body, created_at)
      VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (tenant_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
       body = excluded.body, created_at = excluded.created_at`,
    [tenantId, request.key, request.fingerprint, first.kept.status, first.kept.body, new Date(now)],
  );
  return { given: first.given };
}

async function attempt<T>(
  tx: Tx,
  work: () => Promise<FirstAnswer<T>>,
  refusal: (error: unknown) => FirstAnswer<T> | undefined,
): Promise<FirstAnswer<T>> {
  await tx.query('SAVEPOINT effect');
  try {
    return await work();
  } catch (error) {
    const refused = refusal(error);
    if (!refused) throw error;
    await tx.query('ROLLBACK TO SAVEPOINT effect');
    return refused;
  }
}

/** Keys that go in one transaction: some milliseconds. */
export const KEYS_PER_PAGE = 1_000;

/**
 * Forgets what is older than a day, in pages; a key that is used again at this moment is left to the next time.
 * @returns how many.
 */
export async function sweepIdempotencyKeys(pool: Pool, now: number): Promise<number> {
  for (let swept = 0; ;) {
    const { rowCount } = await asService(pool, (tx) =>
      tx.query(
        `DELETE FROM idempotency_keys WHERE (tenant_id, key) IN (SELECT tenant_id, key FROM idempotency_keys
           WHERE created_at <= $1 OR created_at > $2 ORDER BY created_at LIMIT ${KEYS_PER_PAGE}
           FOR UPDATE SKIP LOCKED)`,
        [new Date(now - KEPT_FOR_MS), new Date(now + KEPT_FOR_MS)],
      ),
    );
    swept += rowCount ?? 0;
    if (rowCount !== KEYS_PER_PAGE) return swept;
  }
}
