import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Role, Tx } from './pool.js';

/** How many different statements are prepared; more are sent as they are. The service has about 150. */
const MOST = 250;
/**
 * A statement has come this often before it is prepared: one that was put together for one request (a filter) does not
 * come again.
 */
const TIMES = 3;
/** How many are remembered that came less often; then the counting begins anew. */
const MOST_SEEN = 2_000;
/** A list, put together for one request: its best plan depends on what is asked for, and there are many of them. */
const LIST = /\bOFFSET\b/;

/**
 * What PostgreSQL says, running no more of the transaction, where a statement that it prepared can be used no longer.
 */
const STALE: Readonly<Record<string, 'again' | 'never'>> = {
  '0A000': 'again', // "cached plan must not change result type": a migration changed a column meanwhile
  '26000': 'never', // the statement is unknown: a pooler between gave this transaction another connection of the server
  '42P05': 'never', // the statement is there already: the same
};

/**
 * Statements by name, so that PostgreSQL parses and plans each once per connection: measured, a quarter of all its
 * time. They belong to a connection, which lives some minutes (pool.ts): a plan that was made while its tables were
 * empty is not kept for ever.
 *
 * Modes: `on`; `off`, for good, once a pooler in transaction mode showed itself. A changed table costs one repetition,
 * under new names.
 */
export class Prepared {
  private readonly names = new Map<string, string>();
  private readonly seen = new Map<string, number>();
  private generation = 0;
  private mode: 'on' | 'off' = 'on';

  /**
   * `client`, with what has parameters prepared. A plan is bound to a role, because row-level security is a part of it.
   */
  on(client: pg.ClientBase, role: Role): Tx {
    const query = (text: unknown, values?: unknown): unknown => {
      if (typeof text !== 'string' || !Array.isArray(values)) return client.query(text as string, values as unknown[]);
      const name = this.nameOf(role, text);
      return name === undefined ? client.query(text, values) : client.query({ name, text, values });
    };
    return { query: query as Tx['query'] };
  }

  /**
   * @returns whether `error` is only about names: then the same transaction may be run again, and does not meet it
   * again.
   */
  blames(error: unknown): boolean {
    const { code } = error as { code?: unknown };
    const what = typeof code === 'string' ? STALE[code] : undefined;
    if (what === undefined) return false;
    this.names.clear();
    this.generation += 1;
    if (what === 'never') this.mode = 'off';
    return true;
  }

  private nameOf(role: Role, text: string): string | undefined {
    if (this.mode === 'off' || LIST.test(text)) return undefined;
    const key = `${role} ${text}`;
    const known = this.names.get(key);
    if (known !== undefined || this.names.size >= MOST) return known;
    const times = (this.seen.get(key) ?? 0) + 1;
    if (this.seen.size >= MOST_SEEN) this.seen.clear();
    this.seen.set(key, times);
    if (times < TIMES) return undefined;
    this.seen.delete(key);
    const name = `s${this.generation}_${createHash('sha256').update(key).digest('hex').slice(0, 24)}`;
    this.names.set(key, name);
    return name;
  }
}
