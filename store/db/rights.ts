import pg from 'pg';
import { oneRow } from './one-row.js';

/** Each transaction runs as one of these, by which row-level security goes. They belong to the server. */
const ROLES = ['slipway_api', 'slipway_worker'] as const;
/** From this version on a membership says by itself whether it may be used by SET ROLE, and whether it is inherited. */
const MEMBERSHIPS_DIFFER = 160_000;
/** SQLSTATE: the user may not do it. */
const INSUFFICIENT_PRIVILEGE = '42501';

/** A right that the database user lacks, in a sentence, and the SQL with which a superuser gives it. */
interface Lack {
  readonly sentence: string;
  readonly remedy: string;
}

/**
 * Looks at the rights of the user of a connection before they are needed, so that what lacks is said at once and whole,
 * and not as the first statement that fails. docs/operations.md says which rights a user needs.
 * @param migrates whether migrations will run: they make and change tables.
 * @throws a sentence with each right that lacks, and with the SQL that gives it.
 */
export async function assertRights(client: pg.ClientBase, { migrates }: { migrates: boolean }): Promise<void> {
  const user = await readUser(client);
  const lacks = [...(await lacksOfRoles(client, user)), ...(migrates ? await lacksOfTables(client, user) : [])];
  if (lacks.length > 0) throw lackingRights(user.name, lacks);
}

/** @returns the sentence where PostgreSQL lets the user not even into this database; undefined for other errors. */
export function lackingConnect(error: unknown, databaseUrl: string): Error | undefined {
  if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) return undefined;
  const { user = '', database = '' } = new pg.Client({ connectionString: databaseUrl });
  const remedy = `GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(database)} TO ${pg.escapeIdentifier(user)}`;
  return lackingRights(user, [{ sentence: `It may not connect to the database "${database}".`, remedy }], error);
}

function lackingRights(user: string, lacks: readonly Lack[], cause?: unknown): Error {
  const sentences = lacks.map(({ sentence }) => sentence).join(' ');
  const remedies = lacks.map(({ remedy }) => `${remedy};`).join(' ');
  return new Error(
    `The database user "${user}" lacks rights. ${sentences} A superuser gives them with: ${remedies} (docs/operations.md, "Your own PostgreSQL")`,
    { cause },
  );
}

interface User {
  name: string;
  version: number;
  superuser: boolean;
  creates_roles: boolean;
  /** The first schema of its search path that it may use: where the tables are, or will be. */
  schema: string | null;
  creates_tables: boolean;
}

async function readUser(client: pg.ClientBase): Promise<User> {
  const { rows } = await client.query<User>(
    `SELECT rolname AS name, current_setting('server_version_num')::integer AS version, rolsuper AS superuser,
       rolcreaterole AS creates_roles, current_schema()::text AS schema,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS creates_tables
     FROM pg_roles WHERE rolname = current_user`,
  );
  return oneRow(rows, 'the user of this connection');
}

interface RoleRow {
  name: string;
  is_there: boolean;
  /** Its policies hold for the user, who can also run as it. */
  is_member: boolean;
  may_grant: boolean;
}

/** A user who may make roles makes those that are missing, and may then grant them to itself. */
async function lacksOfRoles(client: pg.ClientBase, user: User): Promise<Lack[]> {
  if (user.superuser) return [];
  const { rows } = await client.query<RoleRow>(
    `SELECT wanted.name, r.oid IS NOT NULL AS is_there,
       coalesce(pg_has_role(r.oid, 'USAGE') AND pg_has_role(r.oid, $2), false) AS is_member,
       coalesce(pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'), false) AS may_grant
     FROM unnest($1::text[]) AS wanted (name) LEFT JOIN pg_roles r ON r.rolname = wanted.name ORDER BY wanted.name`,
    [ROLES, user.version >= MEMBERSHIPS_DIFFER ? 'SET' : 'MEMBER'],
  );
  // Before version 16 who may make roles may also grant each of them.
  const grantsAll = user.creates_roles && user.version < MEMBERSHIPS_DIFFER;
  return rows.flatMap(({ name, is_there: isThere, is_member: isMember, may_grant: mayGrant }): Lack[] => {
    const grant = membership(name, user);
    if (!isThere && !user.creates_roles)
      return [
        {
          sentence: `The role "${name}" is not there, and it may not make it.`,
          remedy: `CREATE ROLE ${name} NOLOGIN; ${grant}`,
        },
      ];
    if (!isThere || isMember || mayGrant || grantsAll) return [];
    return [{ sentence: `It is not a member of the role "${name}", or does not inherit from it.`, remedy: grant }];
  });
}

function membership(role: string, { name, version }: User): string {
  const to = `GRANT ${role} TO ${pg.escapeIdentifier(name)}`;
  return version >= MEMBERSHIPS_DIFFER
    ? `${to} WITH INHERIT TRUE, SET TRUE`
    : `${to}; ALTER ROLE ${pg.escapeIdentifier(name)} INHERIT`;
}

/** Tables stand in one schema, which the user and both roles find and may use. */
async function lacksOfTables(client: pg.ClientBase, user: User): Promise<Lack[]> {
  const { name, schema, creates_tables: creates } = user;
  const to = pg.escapeIdentifier(name);
  const lacks: Lack[] = [];
  if (schema === null)
    lacks.push({
      sentence: 'There is no schema that it may use.',
      remedy: `GRANT USAGE, CREATE ON SCHEMA public TO ${to}`,
    });
  else if (!creates)
    lacks.push({
      sentence: `It may not create tables in the schema "${schema}".`,
      remedy: `GRANT CREATE ON SCHEMA ${pg.escapeIdentifier(schema)} TO ${to}`,
    });
  return [...lacks, ...(await lacksOfSchema(client, user)), ...(await lacksOfOwner(client, to))];
}

async function lacksOfSchema(client: pg.ClientBase, { name, schema }: User): Promise<Lack[]> {
  const [used, user] = [pg.escapeIdentifier(schema ?? 'public'), pg.escapeIdentifier(name)];
  // A role that is not there yet will have what PUBLIC has.
  const { rows } = await client.query<{ role: string; by_name: boolean; is_usable: boolean }>(
    `SELECT wanted.name AS role, $2 = current_user AND current_setting('search_path') LIKE '%$user%' AS by_name,
       has_schema_privilege(coalesce(r.rolname, 'public'), $2, 'USAGE') AS is_usable
     FROM unnest($1::text[]) AS wanted (name) LEFT JOIN pg_roles r ON r.rolname = wanted.name ORDER BY wanted.name`,
    [ROLES, schema ?? 'public'],
  );
  const lacks = rows
    .filter(({ is_usable: isUsable }) => !isUsable)
    .map(({ role }) => ({
      sentence: `The role "${role}" may not use the schema ${used}.`,
      remedy: `GRANT USAGE ON SCHEMA ${used} TO ${role}`,
    }));
  if (rows[0]?.by_name === true)
    lacks.push({
      sentence: `The schema ${used} is found by the name of the user alone, and transactions run as other roles.`,
      remedy: `ALTER ROLE ${user} SET search_path TO ${used}`,
    });
  return lacks;
}

/** Others' tables may stand in the same schema: Slipway's are those of the migrator and of the facts. */
async function lacksOfOwner(client: pg.ClientBase, user: string): Promise<Lack[]> {
  const { rows } = await client.query<{ owner: string }>(
    `SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relname IN ('kysely_migration', 'installations')
        AND NOT pg_has_role(relowner, 'USAGE')`,
  );
  return rows.map(({ owner }) => ({
    sentence: `The tables belong to "${owner}", and it may not change them.`,
    remedy: `GRANT ${pg.escapeIdentifier(owner)} TO ${user}`,
  }));
}
