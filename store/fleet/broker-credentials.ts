import type { Pool, Tx } from '../db/pool.js';
import { isUndefinedTable } from '../db/sqlstates.js';
import { asService } from '../db/transaction.js';

/** A password as a broker can ask about it: never the password itself. */
export interface Claim {
  /** `tenant/node` */
  readonly username: string;
  /** SHA-256 of the password's UTF-8. */
  readonly secretHash: Buffer;
}

/** A credential's primary key. */
export interface CredentialKey {
  readonly tenantId: string;
  readonly id: string;
}

/**
 * Which claims are true now, in one statement: when a broker restarts, thousands of devices ask within a second.
 * @returns per claim, in order: the credential, or undefined.
 */
export async function findCredentials(tx: Tx, claims: readonly Claim[]): Promise<(CredentialKey | undefined)[]> {
  const { rows } = await tx.query<{ nth: string; tenant_id: string; id: string }>(
    `SELECT claimed.nth, c.tenant_id, c.id
       FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS claimed (username, secret_hash, nth)
       JOIN device_credentials c ON c.username = claimed.username AND c.secret_hash = claimed.secret_hash
         AND c.type = 'password' AND c.revoked_at IS NULL`,
    [claims.map((claim) => claim.username), claims.map((claim) => claim.secretHash)],
  );
  const found = new Map(rows.map((row) => [Number(row.nth) - 1, { tenantId: row.tenant_id, id: row.id }]));
  return claims.map((_claim, at) => found.get(at));
}

/**
 * A transaction that ends a credential commits after the time that it notes: the deadlines of its statements, and room.
 */
const LATELY_MS = 60_000;
const FORGOTTEN_AFTER_MS = 3_600_000;

/** What the embedded broker asks, each in a transaction of its own (adapters/broker/port.ts: CredentialLookup). */
export function credentialLookup(pool: Pool) {
  return {
    find: (claims: readonly Claim[]) => asService(pool, (tx) => findCredentials(tx, claims)),
    stillValid: (credentials: readonly CredentialKey[]) => asService(pool, (tx) => stillValid(tx, credentials)),
    /** @returns undefined where the schema is older than this broker: it was not brought up to date yet. */
    async endedLately(): Promise<Set<string> | undefined> {
      try {
        return await asService(pool, endedLately);
      } catch (error) {
        if (isUndefinedTable(error)) return undefined;
        throw error;
      }
    },
  };
}

/**
 * Ids of credentials that were revoked, or deleted with their devices, within the last minute: not of others, however
 * many are connected.
 */
export async function endedLately(tx: Tx): Promise<Set<string>> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM ended_credentials WHERE at > clock_timestamp() - interval '${LATELY_MS} milliseconds'`,
  );
  return new Set(rows.map((row) => row.id));
}

/** @returns how many. */
export async function forgetEndedCredentials(pool: Pool): Promise<number> {
  return asService(
    pool,
    async (tx) =>
      (
        await tx.query(
          `DELETE FROM ended_credentials WHERE at < clock_timestamp() - interval '${FORGOTTEN_AFTER_MS} milliseconds'`,
        )
      ).rowCount ?? 0,
  );
}

/** Which of these are valid still: a revoked one is not, and a deleted one neither. @returns their ids. */
export async function stillValid(tx: Tx, credentials: readonly CredentialKey[]): Promise<Set<string>> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT c.id FROM unnest($1::text[], $2::uuid[]) AS known (tenant_id, id)
       JOIN device_credentials c USING (tenant_id, id) WHERE c.revoked_at IS NULL`,
    [credentials.map((one) => one.tenantId), credentials.map((one) => one.id)],
  );
  return new Set(rows.map((row) => row.id));
}
