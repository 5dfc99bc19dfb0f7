import pg from 'pg';

/** Who a connection is: bound to one tenant per transaction, or a service that carries the tenant in each statement. */
export type Role = 'slipway_api' | 'slipway_worker';

/** `max`: connections, 8 where it is absent. */
export interface PoolOptions {
  databaseUrl: string;
  /** Shown in pg_stat_activity. */
  name: string;
  max?: number;
  /** Told of a connection that broke while it was idle; without a listener such an error would end the process. */
  onError?: (error: Error) => void;
}

/** A statement whose rows are not read names no type for them: then there is nothing to read in them. */
export type NoColumns = Record<never, never>;

/**
 * What a query runs on: a client inside of a transaction. `R` is a row as node-postgres gives it; a test compares it
 * with what PostgreSQL says of the statement (test/store/statements.test.ts).
 */
export interface Tx {
  query<R extends pg.QueryResultRow = NoColumns>(text: string, values?: readonly unknown[]): Promise<pg.QueryResult<R>>;
}

/** What a LEFT JOIN adds to a row: the whole of the other one, or nothing. */
export type LeftJoined<R> = R | { [Column in keyof R]: null };

/** Connections to PostgreSQL; row-level security decides what each transaction sees. */
export type Pool = pg.Pool;

/** Milliseconds after which a statement is given up: every wait has a deadline. */
const STATEMENT_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5_000;
/**
 * What a connection has prepared (prepared.ts) goes with it. A plan that was made while its tables were small is right
 * until they have grown, which PostgreSQL notices a minute or more later; a new connection costs some milliseconds, so
 * that five minutes are often enough.
 */
const LIFETIME_SECONDS = 300;

const services = new WeakMap<Pool, Pool>();

/**
 * From now on the transactions of the service that begin on `pool` run on another one, whose login may be the service.
 * So the login of the first can be one that may not.
 */
export function servedBy(pool: Pool, service: Pool): void {
  services.set(pool, service);
}

/** The pool on which transactions of the service run. */
export function serviceOf(pool: Pool): Pool {
  return services.get(pool) ?? pool;
}

/** Connects at the first query, not here. Each statement and each idle transaction ends after a time limit. */
export function openPool(options: PoolOptions): Pool {
  const pool = new pg.Pool({
    connectionString: options.databaseUrl,
    application_name: `slipway-${options.name}`,
    max: options.max ?? 8,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    maxLifetimeSeconds: LIFETIME_SECONDS,
  });
  pool.on('error', (error) => options.onError?.(error));
  return pool;
}
