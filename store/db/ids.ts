import { V7Generator } from 'uuidv7';
import { databaseNow } from './clock.js';

/** The largest allowance that the generator takes: 48 bits of milliseconds. */
const ANY_ROLLBACK_MS = 2 ** 48 - 1;

const generator = new V7Generator();
// By default a clock that is set back by over 10 s breaks the order. Here order matters more than the exact time.
generator.setRollbackAllowance(ANY_ROLLBACK_MS);

/**
 * A UUID of version 7 (RFC 9562 §5.7 and §6.2, method 2): milliseconds, then a counter that starts at random within
 * each of them, then random bits. Within a process each sorts after the one before, also where a clock's tick holds
 * several or the clock is set back, so that rows that are made one after the other lie together in the index.
 * @param now epoch milliseconds, by PostgreSQL's clock: ids of several processes sort by one
 */
export function newId(now = databaseNow()): string {
  return generator.generateOrResetWithTs(now).toString();
}
