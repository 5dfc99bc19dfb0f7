import { oneRow } from './one-row.js';
import type { Tx } from './pool.js';

/** What a connection asks for when it begins, and a PgBouncer in transaction mode must be told to pass over. */
export const STARTUP_PARAMETERS = ['extra_float_digits', 'statement_timeout', 'idle_in_transaction_session_timeout'];
const READ_MORE = '(docs/production.md, "PgBouncer")';

/**
 * PgBouncer refuses a connection that asks for a parameter which it does not know, and names one alone of them.
 * @returns the sentence that has all of them, and where they belong; undefined for other errors
 */
export function refusedByPooler(error: unknown): string | undefined {
  if (!/unsupported startup parameter/.test((error as { message?: unknown } | null)?.message as string))
    return undefined;
  return `PgBouncer refuses connections of this service: its pgbouncer.ini needs the line "ignore_startup_parameters = ${STARTUP_PARAMETERS.join(',')}" ${READ_MORE}`;
}

/**
 * A pooler that passes over what a connection asked for leaves its statements without a time limit, which every wait
 * here has.
 * @returns the sentence about that; undefined where both limits are in force
 */
export async function withoutLimits(db: Tx): Promise<string | undefined> {
  const { rows } = await db.query<{ user_name: string; statement: string; idle: string }>(
    `SELECT current_user::text AS user_name, current_setting('statement_timeout') AS statement,
       current_setting('idle_in_transaction_session_timeout') AS idle`,
  );
  const { user_name: user, statement, idle } = oneRow(rows, 'the time limits of a connection');
  const missing = [
    ...(statement === '0' ? ['statement_timeout'] : []),
    ...(idle === '0' ? ['idle_in_transaction_session_timeout'] : []),
  ];
  if (missing.length === 0) return undefined;
  const remedy = missing.map((name) => `ALTER ROLE "${user}" SET ${name} = '15s';`).join(' ');
  return `a pooler left ${missing.join(' and ')} out: a statement that hangs would hold its connection for ever. A superuser mends that with: ${remedy} ${READ_MORE}`;
}
