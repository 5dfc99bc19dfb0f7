import pg from 'pg';
import type { Role } from './pool.js';

/**
 * Which role each process may take, and no other: the API's for its tenants' requests, and beside it one for what it
 * does as a service, such as finding a key (and for the embedded broker).
 */
const MAY_BE = {
  api: 'slipway_api',
  service: 'slipway_worker',
  bridge: 'slipway_worker',
  orchestrator: 'slipway_worker',
} as const satisfies Record<string, Role>;
/** A process, as its login is named after it. */
export type Login = keyof typeof MAY_BE;
/** All logins, in the order in which they are made. */
export const LOGINS: readonly Login[] = ['api', 'service', 'bridge', 'orchestrator'];

/** A login of PostgreSQL: how it is made, and the address with it. */
export interface ProcessLogin {
  readonly login: Login;
  readonly url: string;
  /** SQL that makes it, or gives it this password; may be run again. Those who may make roles run it. */
  readonly statements: readonly string[];
}

/**
 * Logins that are no superuser, own nothing, and can take one role each: `RESET ROLE` in a transaction of the API gives
 * nothing that it did not have. Named after the database, because they belong to the whole server.
 * @param passwordOf letters, digits, `-` and `_`
 */
export function processLogins(databaseUrl: string, passwordOf: (login: Login) => string): ProcessLogin[] {
  const { database = '' } = new pg.Client({ connectionString: databaseUrl });
  return LOGINS.map((login): ProcessLogin => {
    // PostgreSQL cuts names at 63 bytes.
    const name = `${database.slice(0, 40)}_login_${login}`;
    const password = passwordOf(login);
    if (!/^[\w-]{16,}$/.test(password))
      throw new Error(`the password of ${name} has other characters than it may have`);
    const url = new URL(databaseUrl);
    [url.username, url.password] = [name, password];
    const [role, literal] = [pg.escapeIdentifier(name), pg.escapeLiteral(name)];
    const rights = 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS';
    return {
      login,
      url: url.href,
      statements: [
        `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal}) THEN CREATE ROLE ${role}; END IF; END $$`,
        `ALTER ROLE ${role} ${rights} PASSWORD '${password}'`,
        `GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(database)} TO ${role}`,
        `GRANT ${MAY_BE[login]} TO ${role}`,
      ],
    };
  });
}

/** Runs the statements in one transaction. @throws PostgreSQL's own error where the user may not make roles */
export async function makeLogins(databaseUrl: string, logins: readonly ProcessLogin[]): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  // It may break between two statements; what is asked next says so.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(['BEGIN', ...logins.flatMap(({ statements }) => statements), 'COMMIT'].join(';\n'));
  } finally {
    await client.end();
  }
}

/**
 * How far the second wall between tenants holds, by what PostgreSQL says of the login of this connection.
 * @returns what makes it soft, as a sentence; undefined where a transaction of the API can become nothing but that
 */
export async function softness(pool: { query: pg.Pool['query'] }): Promise<string | undefined> {
  const { rows } = await pool.query<{ is_soft: boolean }>(
    `SELECT rolsuper OR rolbypassrls OR pg_has_role(session_user, 'slipway_worker', 'MEMBER') AS is_soft
     FROM pg_roles WHERE rolname = session_user`,
  );
  return rows[0]?.is_soft === false ? undefined : SOFT;
}

const SOFT =
  'the second wall between tenants is soft: the login of the API can become others (SLIPWAY_DATABASE_URL_API)';
