/**
 * Whose a failure is that passes:
 * - `retry`: another transaction came between. Nothing was applied; the same transaction may well succeed at once.
 * - `row`: these rows are busy. PostgreSQL is there, and work on other rows can be done.
 * - `database`: PostgreSQL is away, going down or overrun. No work can be done until it is back.
 * - `schema`: the schema is of another version than this process, for the moment between a migration and the process
 *   that learns of it (schema-watch.ts). What was asked for is not at fault, and must not be given up.
 *
 * What is not in the table does not pass by itself: the statement, or what it was given, is at fault.
 */
export type Whose = 'retry' | 'row' | 'database' | 'schema';

interface Failure {
  readonly whose: Whose;
  /** As PostgreSQL calls it (Appendix A). */
  readonly name: string;
  readonly comment: string;
}

/** By SQLSTATE; two characters stand for the rest of their class. */
export const SQLSTATES: Readonly<Record<string, Failure>> = {
  '08': {
    whose: 'database',
    name: 'connection_exception',
    comment: 'The connection broke. A commit whose answer was lost may have been applied: only the caller knows.',
  },
  '25P03': {
    whose: 'database',
    name: 'idle_in_transaction_session_timeout',
    comment: 'This process stalled within a transaction, of which nothing was applied.',
  },
  '40001': {
    whose: 'retry',
    name: 'serialization_failure',
    comment: 'Another transaction came between.',
  },
  '40P01': {
    whose: 'retry',
    name: 'deadlock_detected',
    comment: 'Two transactions waited for each other, and this one was chosen to end.',
  },
  '40': {
    whose: 'database',
    name: 'transaction_rollback',
    comment: 'Others of the class, such as 40003: whether the statement ran is not known.',
  },
  '42P01': {
    whose: 'schema',
    name: 'undefined_table',
    comment: 'A migration has removed the table, or the one that makes it has not run yet.',
  },
  '42703': {
    whose: 'schema',
    name: 'undefined_column',
    comment: 'A migration has removed the column, or the one that makes it has not run yet.',
  },
  '53': {
    whose: 'database',
    name: 'insufficient_resources',
    comment: 'Too many connections, no memory, a full disk: an operator, or time, mends it.',
  },
  '55P03': {
    whose: 'row',
    name: 'lock_not_available',
    comment:
      'Another transaction holds a row for longer than the statement was to wait: again at once would wait again.',
  },
  '55': {
    whose: 'database',
    name: 'object_not_in_prerequisite_state',
    comment: 'Something is being changed or dropped at this moment.',
  },
  '57014': {
    whose: 'row',
    name: 'query_canceled',
    comment: 'The statement ran into its timeout, mostly while it waited for a row that another transaction holds.',
  },
  '57P03': {
    whose: 'database',
    name: 'cannot_connect_now',
    comment: 'PostgreSQL is starting up, or replays its log after a crash.',
  },
  '57': {
    whose: 'database',
    name: 'operator_intervention',
    comment: 'Shut down by an operator (57P01), or ended because another process crashed (57P02).',
  },
  '58': {
    whose: 'database',
    name: 'system_error',
    comment: 'Outside of PostgreSQL itself: a disk that cannot be read.',
  },
};

/** `code` of errors of node's sockets. */
const SOCKET: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** Errors of node-postgres itself have no code. */
const MESSAGES = new RegExp(
  [
    'timeout exceeded when trying to connect',
    'Connection terminated',
    'Client has encountered a connection error',
    'Cannot use a pool after calling end',
    'Query read timeout',
  ].join('|'),
  'i',
);

/** @returns undefined where the failure does not pass by itself. */
export function whoseFailure(error: unknown): Whose | undefined {
  const { code, message, errors } = (error ?? {}) as { code?: unknown; message?: unknown; errors?: unknown };
  // An AggregateError of one try for each address.
  if (Array.isArray(errors) && errors.some((one) => whoseFailure(one) === 'database')) return 'database';
  if (typeof code === 'string') {
    if (SOCKET.has(code)) return 'database';
    const found = SQLSTATES[code] ?? (code.length === 5 ? SQLSTATES[code.slice(0, 2)] : undefined);
    if (found) return found.whose;
  }
  return typeof message === 'string' && MESSAGES.test(message) ? 'database' : undefined;
}

/** It passes by itself: the same work is tried again later, and nothing is given up. */
export function isTransient(error: unknown): boolean {
  return whoseFailure(error) !== undefined;
}

/** The same transaction, run again at once, may well succeed: nothing of it was applied. */
export function isRetryable(error: unknown): boolean {
  return whoseFailure(error) === 'retry';
}

/** It passes, and work on other rows can be done meanwhile. */
export function isOfOneRow(error: unknown): boolean {
  const whose = whoseFailure(error);
  return whose === 'retry' || whose === 'row';
}

/** Nothing answers at that address yet, or PostgreSQL is starting up: it is worth waiting. */
export function isUnreachable(error: unknown): boolean {
  const { code, cause, errors } = (error ?? {}) as { code?: unknown; cause?: unknown; errors?: unknown };
  if (typeof code === 'string' && (SOCKET.has(code) || code === '57P03')) return true;
  return (Array.isArray(errors) && errors.some(isUnreachable)) || (cause !== undefined && isUnreachable(cause));
}

/** The schema is older than this process: the migration that makes the table has not run yet. */
export function isUndefinedTable(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === '42P01';
}
