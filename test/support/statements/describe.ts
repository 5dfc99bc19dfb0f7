import type pg from 'pg';

/** A column of a result, as PostgreSQL describes it before anything runs. */
export interface Column {
  readonly name: string;
  /** `int8`, `_text`: its name in pg_type. */
  readonly type: string;
  /** The table's column that it is; undefined where it is an expression. */
  readonly base: BaseColumn | undefined;
}

export interface BaseColumn {
  readonly table: string;
  readonly name: string;
  readonly isNotNull: boolean;
  /** The only values that a CHECK of the table lets in, where there is one. */
  readonly values: readonly string[] | undefined;
}

export interface Catalogue {
  readonly types: ReadonlyMap<number, string>;
  /** By `table's oid/number of the column`. */
  readonly columns: ReadonlyMap<string, BaseColumn>;
}

export async function readCatalogue(client: pg.Client): Promise<Catalogue> {
  const types = await client.query<{ oid: number; typname: string }>('SELECT oid, typname FROM pg_type');
  const columns = await client.query<{ key: string; table: string; name: string; not_null: boolean; check: string }>(
    `SELECT a.attrelid || '/' || a.attnum AS key, c.relname AS table, a.attname AS name, a.attnotnull AS not_null,
       coalesce((SELECT string_agg(pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k
                 WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]), '') AS check
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE a.attnum > 0 AND c.relkind = 'r'`,
  );
  return {
    types: new Map(types.rows.map((row) => [row.oid, row.typname])),
    columns: new Map(
      columns.rows.map(({ key, table, name, not_null: isNotNull, check }) => [
        key,
        { table, name, isNotNull, values: valuesOf(check) },
      ]),
    ),
  };
}

/** `CHECK ((role = ANY (ARRAY['owner'::text, 'writer'::text])))` → owner, writer */
function valuesOf(check: string): string[] | undefined {
  const [, list] = /^CHECK \(\((?:\w+) = (?:ANY \(ARRAY\[(.*)\]\)|'[^']*'::text)\)\)$/.exec(check) ?? [];
  return list === undefined ? undefined : [...list.matchAll(/'([^']*)'::text/g)].map(([, value]) => value!);
}

interface Field {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
}

/**
 * Parses a statement and asks what its result would be, without running it.
 * @throws DatabaseError where it cannot be parsed: a name that does not exist, types that do not fit.
 */
export async function describeStatement(client: pg.Client, catalogue: Catalogue, text: string): Promise<Column[]> {
  const fields = await new Promise<readonly Field[]>((resolve, reject) => {
    let described: readonly Field[] = [];
    // The extended protocol's first half (PostgreSQL, 53.2.3): Parse, Describe, Sync; no Bind and no Execute.
    client.query({
      submit(connection: pg.Connection) {
        connection.parse({ name: '', text, types: [] }, true);
        connection.describe({ type: 'S', name: '' }, true);
        connection.sync();
      },
      handleRowDescription: (message: { fields: readonly Field[] }) => (described = message.fields),
      handleError: reject,
      handleReadyForQuery: () => resolve(described),
    } as pg.Submittable);
  });
  return fields.map(({ name, tableID, columnID, dataTypeID }) => ({
    name,
    type: catalogue.types.get(dataTypeID) ?? `type ${dataTypeID}`,
    base: catalogue.columns.get(`${tableID}/${columnID}`),
  }));
}

/** For each table that a statement names: whether only an outer join may leave its columns empty, or only in places. */
export function outerJoined(text: string): ReadonlyMap<string, 'always' | 'sometimes'> {
  const outer = new Set<string>();
  const inner = new Set<string>();
  const rest = text.replaceAll(/\bLEFT JOIN\s+(?:LATERAL\s+)?(\w+|\()/g, (whole, name: string, at: number) => {
    const part = name === '(' ? parenthesised(text, at + whole.length - 1) : `FROM ${name}`;
    for (const table of tablesOf(part)) outer.add(table);
    return ' ';
  });
  for (const table of tablesOf(rest)) inner.add(table);
  // What a common table expression reads, its reader may join in this way.
  const isUnclear = [...outer].some((name) => new RegExp(`\\b${name}(\\([^)]*\\))? AS \\(`).test(text));
  const kinds = new Map<string, 'always' | 'sometimes'>();
  for (const table of outer) kinds.set(table, inner.has(table) ? 'sometimes' : 'always');
  if (isUnclear) for (const table of inner) kinds.set(table, 'sometimes');
  return kinds;
}

function tablesOf(text: string): string[] {
  return [...text.matchAll(/\b(?:FROM|JOIN|UPDATE|INTO)\s+(?:ONLY\s+|LATERAL\s+)?(\w+)/g)].map(([, name]) => name!);
}

function parenthesised(text: string, from: number): string {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return text.slice(from, at + 1);
  }
  return text.slice(from);
}
