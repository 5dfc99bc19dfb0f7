import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createLog } from '../../runtime/log.js';
import { migrate } from '../../store/db/migrate.js';
import { openPool } from '../../store/db/pool.js';
import { createTenantLocally } from '../../store/commands/tenants.js';
import { freePort } from '../../workers/embedded/ports.js';
import { startPostgres } from '../../workers/embedded/postgres.js';
import { TestedPostgres } from '../support/postgresql.js';
import { AS_MIGRATED, ROWS_OF_0008, ROWS_OF_0019 } from './migrated-rows.js';

/** Roles belong to a server, and this suite takes them away: it has servers of its own. */
interface Server {
  readonly url: string;
  close(): Promise<void>;
}
/** The oldest version that is supported; and one of those in which a membership says by itself what it gives. */
const SERVERS: readonly [string, () => Promise<Server>][] = [
  ['15', () => TestedPostgres.start()],
  ['18', embedded],
];
async function embedded(): Promise<Server> {
  const dataDir = mkdtempSync(join(tmpdir(), 'slipway-rights-'));
  const log = createLog('rights', 'silent');
  const server = await startPostgres({ dataDir, port: await freePort(), durable: false, log });
  const close = async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { url: server.url, close };
}

async function run(databaseUrl: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

let server: Server;
let made: string[] = [];
afterEach(async () => {
  for (const name of made) {
    await run(server.url, `DROP DATABASE ${name} WITH (FORCE)`, `DROP OWNED BY ${name}`, `DROP ROLE ${name}`);
    await run(server.url, 'DROP ROLE IF EXISTS slipway_api, slipway_worker');
  }
  made = [];
});
/** A database, and a user who may do in it what is given here, and nothing else. */
async function poorUser(...given: string[]): Promise<{ admin: string; url: string; name: string }> {
  const name = `poor_${randomBytes(4).toString('hex')}`;
  await run(server.url, `CREATE ROLE ${name} LOGIN PASSWORD 'poor'`, `CREATE DATABASE ${name}`);
  made.push(name);
  const [admin, url] = [new URL(server.url), new URL(server.url)];
  admin.pathname = url.pathname = `/${name}`;
  [url.username, url.password] = [name, 'poor'];
  await run(admin.href, ...given.map((statement) => statement.replaceAll('USER', name)));
  return { admin: admin.href, url: url.href, name };
}

const ROLES = 'CREATE ROLE slipway_api NOLOGIN; CREATE ROLE slipway_worker NOLOGIN';
const MEMBER = 'GRANT slipway_api, slipway_worker TO USER';
const CREATE = 'GRANT CREATE ON SCHEMA public TO USER';

/** As the API and the bridge do: a transaction as each role, on what the migrations made. */
async function works(url: string): Promise<void> {
  const pool = openPool({ databaseUrl: url, name: 'rights' });
  try {
    await createTenantLocally(pool, 'acme');
    await pool.query(
      `BEGIN; SET LOCAL ROLE slipway_api; SET LOCAL slipway.tenant = 'acme'; SELECT FROM devices; COMMIT`,
    );
  } finally {
    await pool.end();
  }
}

describe.each(SERVERS)('A user of an outside PostgreSQL %s', (version, start) => {
  beforeAll(async () => {
    server = await start();
  }, 120_000);
  afterAll(() => server.close());

  it.each([
    ['owns the database, and the roles are there and granted', [ROLES, MEMBER, 'ALTER DATABASE USER OWNER TO USER']],
    ['may create in the schema and make roles', [CREATE, 'ALTER ROLE USER CREATEROLE']],
    [
      'has a schema of its own, which the roles may use',
      [
        ROLES,
        MEMBER,
        'CREATE SCHEMA AUTHORIZATION USER',
        'GRANT USAGE ON SCHEMA USER TO slipway_api, slipway_worker',
        'ALTER ROLE USER SET search_path TO USER',
      ],
    ],
  ])('that %s is enough', async (_how, given) => {
    const { url } = await poorUser(...given);
    await migrate(url);
    await migrate(url);
    await works(url);
  });

  it.each([
    ['inherits from the roles', [ROLES, MEMBER, 'ALTER DATABASE USER OWNER TO USER']],
    ['made the roles, and inherits nothing', [CREATE, 'ALTER ROLE USER CREATEROLE NOINHERIT']],
  ])('that %s gets every row migrated, as row-level security holds for the owner, too', async (_how, given) => {
    const { url, admin } = await poorUser(...given);
    await migrate(url, '0008-rollout-templates');
    await run(admin, ROWS_OF_0008);
    await migrate(url, '0019-outbox-is-start');
    await run(admin, ROWS_OF_0019);
    await migrate(url);
    const client = new pg.Client({ connectionString: admin });
    await client.connect();
    try {
      expect((await client.query(AS_MIGRATED.query)).rows[0]).toEqual(AS_MIGRATED.row);
    } finally {
      await client.end();
    }
  });

  it.each([
    ['may not create tables', [ROLES, MEMBER], ['It may not create tables in the schema "public".']],
    [
      'has no roles, and may make none',
      [CREATE],
      [
        'The role "slipway_api" is not there, and it may not make it.',
        'The role "slipway_worker" is not there, and it may not make it.',
      ],
    ],
    ['is in none of the roles', [ROLES, CREATE], ['It is not a member of the role "slipway_api"', '"slipway_worker"']],
    [
      'is in one of the roles',
      [ROLES, CREATE, 'GRANT slipway_api TO USER'],
      ['It is not a member of the role "slipway_worker", or does not inherit from it.'],
    ],
    [
      'does not inherit from its roles',
      [ROLES, 'ALTER ROLE USER NOINHERIT', MEMBER, CREATE],
      ['It is not a member of the role "slipway_api", or does not inherit from it.'],
    ],
    [
      'may not use the schema',
      [ROLES, MEMBER, 'REVOKE USAGE ON SCHEMA public FROM PUBLIC'],
      ['There is no schema that it may use.', 'The role "slipway_api" may not use the schema "public".'],
    ],
    [
      'has a schema of its own, which the roles do not find',
      [ROLES, MEMBER, 'CREATE SCHEMA AUTHORIZATION USER'],
      [/The role "slipway_worker" may not use the schema "poor_\w+"/, 'is found by the name of the user alone'],
    ],
    [
      'may not connect',
      [ROLES, MEMBER, CREATE, 'REVOKE CONNECT ON DATABASE USER FROM PUBLIC'],
      [/It may not connect to the database "poor_\w+"\./],
    ],
    [
      'lacks all of it',
      [],
      ['may not make it. The role "slipway_worker"', 'It may not create tables in the schema "public". A superuser'],
    ],
  ])('that %s gets a sentence that says so, with the SQL that is enough', async (_how, given, sentences) => {
    const { admin, url, name } = await poorUser(...given);
    const said = await migrate(url).then(
      () => 'it was enough',
      (error: Error) => error.message,
    );
    for (const sentence of [`The database user "${name}" lacks rights. `, ...sentences])
      expect(said).toMatch(typeof sentence === 'string' ? new RegExp(sentence.replaceAll(/[.()]/g, '\\$&')) : sentence);
    const [, remedy = ''] = /gives them with: (.*;) \(docs\/operations\.md, "Your own PostgreSQL"\)$/.exec(said) ?? [];
    await run(admin, remedy);
    await migrate(url);
    await works(url);
  });

  it('that may make roles, where another user made these, may grant them to itself before version 16 alone', async () => {
    const { admin, url, name } = await poorUser(ROLES, CREATE, 'ALTER ROLE USER CREATEROLE');
    if (version !== '15') {
      await expect(migrate(url)).rejects.toThrow('It is not a member of the role "slipway_api"');
      await run(admin, MEMBER.replace('USER', name));
    }
    await migrate(url);
    await works(url);
  });

  it('that lost its roles after the tables were made gets that sentence at the next start', async () => {
    const { admin, url, name } = await poorUser(ROLES, MEMBER, CREATE);
    await migrate(url);
    await run(admin, `REVOKE slipway_worker FROM ${name}`);
    await expect(migrate(url)).rejects.toThrow('It is not a member of the role "slipway_worker"');
  });

  it('that is not the owner of the tables cannot migrate them, and may use them once that is done', async () => {
    const { admin, url, name } = await poorUser(ROLES, MEMBER, CREATE);
    await migrate(admin, '0001-facts');
    await expect(migrate(url)).rejects.toThrow(
      /The tables belong to "(postgres|slipway)", and it may not change them\./,
    );
    await migrate(admin);
    await run(admin, `GRANT SELECT ON kysely_migration TO ${name}`);
    await migrate(url);
    await works(url);
  });

  it('that lacks a right ends the start of the all in one with that sentence', async () => {
    const { url } = await poorUser(ROLES, CREATE);
    const folder = mkdtempSync(join(tmpdir(), 'slipway-rights-'));
    const ports = ['HTTP', 'MQTT', 'TEMPORAL', 'TEMPORAL_UI'].map((name) => [`SLIPWAY_${name}_PORT`, '0']);
    const env = { ...process.env, ...Object.fromEntries(ports), DATABASE_URL: url, SLIPWAY_DATA_DIR: folder };
    const started = await promisify(execFile)(process.execPath, ['dist/workers/up.js'], {
      env,
      timeout: 100_000,
    }).catch((error: { code: number; stderr: string }) => error);
    rmSync(folder, { recursive: true, force: true });
    expect(started).toMatchObject({ code: 1 });
    expect(started.stderr).toMatch(/^Slipway did not start\. The database user "poor_\w+" lacks rights\. It is not /m);
  }, 120_000);
});
