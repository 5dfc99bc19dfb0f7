/**
 * Whether a failure of the database will pass by itself: then the same work is tried again, and nothing is given up.
 * Classes are of SQLSTATE; the others are codes of node's sockets and messages of node-postgres, which has no codes for
 * them.
 */
const CLASSES: Readonly<Record<string, string>> = {
  '08': 'connection exception',
  '40': 'transaction rollback: serialization, deadlock',
  '53': 'insufficient resources: too many connections, disk full',
  '55': 'object not in the state that is needed: lock not available',
  '57': 'operator intervention: shutdown, crash, statement timeout',
  '58': 'system error outside of PostgreSQL',
};
/** Of a class that does not pass by itself, but these do. */
const CODES: Readonly<Record<string, string>> = {
  '25P03': 'idle_in_transaction_session_timeout: this process stalled in a transaction, of which nothing was applied',
};
const SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
const MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|connection error and is not queryable/i;

export function isTransient(error: unknown): boolean {
  const { code, message, errors } = error as { code?: unknown; message?: unknown; errors?: unknown };
  if (Array.isArray(errors) && errors.some(isTransient)) return true; // an AggregateError of one try per address
  if (typeof code === 'string' && (SOCKET.has(code) || code in CODES || code.slice(0, 2) in CLASSES)) return true;
  return typeof message === 'string' && MESSAGES.test(message);
}
