import type { Pool } from '../../store/db/pool.js';

/** What the tables take on the disk, bytes with their indexes, by name. */
export type Sizes = ReadonlyMap<string, number>;

/** Those of the service, without what the bench itself keeps there. */
export async function readSizes(pool: Pool): Promise<Sizes> {
  const { rows } = await pool.query<{ name: string; bytes: string }>(
    `SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class
     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'bench_fleet'`,
  );
  return new Map(rows.map(({ name, bytes }) => [name, Number(bytes)]));
}

export function totalOf(sizes: Sizes): number {
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}
