import { compareVersions } from '../../domain/artifact/versions.js';
import type { Comparison, FilterNode, Value } from '../../domain/fleet/filter-tree.js';
import { filterCondition } from '../../store/fleet/filter.js';
import { openPool, type Pool, type Tx } from '../../store/db/pool.js';
import type { Vocabulary } from '../domain/filter-arbitrary.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

/** A device as a person would describe it, and as the filter language asks about it. */
export interface Known {
  id: string;
  name: string;
  type: number;
  tags: string[];
  connectedBy: string | null;
  custom: Record<string, unknown> | null;
  slots: Record<string, string | null>;
  online: boolean;
  lastSeenAt: string | null;
  createdAt: string;
}

export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
export const TYPES = [
  { id: uuid(900_001), model: 'LS-1' },
  { id: uuid(900_002), model: 'LS-2 "x"' },
  { id: uuid(900_003), model: null },
];
export const WORDS: Vocabulary = {
  ids: [uuid(0), uuid(7), uuid(1_000)],
  gateways: [uuid(0), uuid(1)],
  names: [
    'switch 1',
    'Switch 1',
    'switch 11',
    '50% off_line',
    'back\\slash',
    'Zähler*7',
    'x\u{10ffff}',
    'x\u{10ffff}y',
    '😀',
    'a\ud7ff',
  ],
  types: ['LS-1', 'LS-2 "x"', TYPES[1]!.id, TYPES[2]!.id, 'LS'],
  tags: ['north', 'north-2', 'lab', 'a_b'],
  sites: ['store-1', 'store-17', uuid(0), uuid(1)],
  keys: ['floor', 'site', 'rack.row-2', 'critical', 'nested', 'none'],
  attributes: ['3', '30', 'true', 'store-1', 'Süd', ''],
  slots: ['firmware', 'bootloader'],
  versions: [
    '1.4.0',
    '1.4',
    '1.10.0',
    '1.9.9',
    'v2.0.0-rc.1',
    '2.0.0-rc.10',
    '2.0.0-rc',
    '2.0.0-alpha-1',
    '2.0.0',
    '1.0.0+b7',
    '10',
  ],
  times: [
    '2026-11-24T10:00:00.000Z',
    '2026-11-24T10:59:59.999Z',
    '2026-11-24T11:00:00.000Z',
    '2020-01-01T00:00:00.000Z',
  ],
};

/** A database of its own, with the device types of TYPES in two tenants: `default` and `other`. */
export class FilterDatabase {
  private constructor(
    readonly url: string,
    readonly pool: Pool,
    private readonly database: TestDatabase,
  ) {}

  static async create(name: string): Promise<FilterDatabase> {
    const database = await createTestDatabase(name);
    const pool = openPool({ databaseUrl: database.url, name: 'test', max: 2 });
    await pool.query(`INSERT INTO tenants (id) VALUES ('other') ON CONFLICT DO NOTHING`);
    for (const tenant of ['default', 'other']) {
      for (const { id, model } of TYPES)
        await pool.query(`INSERT INTO device_types (tenant_id, id, name, model) VALUES ($1, $2, 'type', $3)`, [
          tenant,
          id,
          model,
        ]);
    }
    return new FilterDatabase(database.url, pool, database);
  }

  async drop(): Promise<void> {
    await this.pool.end();
    await this.database.drop();
  }
}

export async function write(pool: Pool, tenant: string, devices: readonly Known[]): Promise<void> {
  await pool.query(
    `INSERT INTO devices (tenant_id, id, device_type_id, name, tags, connected_by, custom, online, last_seen_at, created_at)
     SELECT $1, id, type, name, ARRAY(SELECT jsonb_array_elements_text(tags)), connected_by, custom, online, seen, created
     FROM jsonb_to_recordset($2::jsonb) AS r(id uuid, type uuid, name text, tags jsonb, connected_by uuid, custom jsonb, online boolean, seen timestamptz, created timestamptz)`,
    [
      tenant,
      JSON.stringify(
        devices.map((one) => ({
          ...one,
          type: TYPES[one.type]!.id,
          connected_by: one.connectedBy,
          seen: one.lastSeenAt,
          created: one.createdAt,
        })),
      ),
    ],
  );
  await pool.query(
    `INSERT INTO device_slots (tenant_id, device_id, slot, version) SELECT $1, id, slot, version FROM jsonb_to_recordset($2::jsonb) AS r(id uuid, slot text, version text)`,
    [
      tenant,
      JSON.stringify(
        devices.flatMap(({ id, slots }) => Object.entries(slots).map(([slot, version]) => ({ id, slot, version }))),
      ),
    ],
  );
}

export function devicesBySeed(count: number, random: () => number): Known[] {
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const maybe = <T>(value: T): T | null => (random() < 0.6 ? value : null);
  return Array.from({ length: count }, (_, n) => ({
    id: uuid(n),
    name: one(WORDS.names),
    type: Math.floor(random() * 3),
    tags: WORDS.tags.filter(() => random() < 0.3),
    connectedBy: n < 2 ? null : maybe(uuid(n % 2)),
    custom: maybe({
      ...(random() < 0.5 ? { floor: one([3, 30, '3', 3.5]) } : {}),
      ...(random() < 0.4 ? { site: one(['store-1', 'store-17', '', { deep: 1 }]) } : {}),
      ...(random() < 0.4 ? { critical: one([true, false, 'true']) } : {}),
      'rack.row-2': one(WORDS.attributes),
      nested: { floor: 3 },
      none: null,
    }),
    slots: Object.fromEntries(
      WORDS.slots.filter(() => random() < 0.7).map((slot) => [slot, one([...WORDS.versions, null, 'unknown'])]),
    ),
    online: random() < 0.5,
    createdAt: one(WORDS.times),
    lastSeenAt: maybe(one([...WORDS.times, '2026-11-24T10:30:00.500Z'])),
  }));
}

/** The language by its description, word by word. */
export function matches(filter: FilterNode, device: Known): boolean {
  if (filter.is === 'comparison') return compares(filter, device);
  return filter.is === 'and'
    ? filter.of.every((part) => matches(part, device))
    : filter.of.some((part) => matches(part, device));
}

function compares(filter: Comparison, device: Known): boolean {
  const { op, values } = filter;
  const found = valuesOf(filter, device);
  if (op === '==' || op === '=in=') return found.some((text) => values.some((value) => fits(value, text)));
  if (op === '!=' || op === '=out=') return !found.some((text) => values.some((value) => fits(value, text)));
  return found.some((text) => {
    const difference =
      filter.field === 'attribute'
        ? numberIn(text) - Number(values[0])
        : filter.field === 'slot'
          ? compareVersions(text, values[0] as string)
          : Date.parse(text) - Date.parse(values[0] as string);
    if (difference === undefined) return false;
    return { '=gt=': difference > 0, '=ge=': difference >= 0, '=lt=': difference < 0, '=le=': difference <= 0 }[op];
  });
}

/** NaN is neither above nor below. */
function numberIn(text: string): number {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
}

function valuesOf({ field, key }: Comparison, device: Known): string[] {
  const attribute = (name: string): string[] => {
    const value = device.custom?.[name];
    return ['string', 'number', 'boolean'].includes(typeof value) ? [String(value)] : [];
  };
  const there = (value: string | null | undefined): string[] => (value == null ? [] : [value]);
  switch (field) {
    case 'id':
      return [device.id];
    case 'name':
      return [device.name];
    case 'deviceType':
      return [TYPES[device.type]!.id, ...there(TYPES[device.type]!.model)];
    case 'tag':
      return device.tags;
    case 'connectedBy':
      return there(device.connectedBy);
    case 'site':
      return attribute('site')[0] ? attribute('site') : there(device.connectedBy);
    case 'attribute':
      return attribute(key!);
    case 'slot':
      return there(device.slots[key!]);
    case 'online':
      return [String(device.online)];
    case 'deviceTypeName':
      return ['type'];
    case 'createdAt':
      return [device.createdAt];
    case 'lastSeenAt':
      return there(device.lastSeenAt);
  }
}

function fits(value: Value, text: string): boolean {
  if (typeof value === 'string') return value === text;
  return new RegExp(`^${value.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('.*')}$`, 'su').test(
    text,
  );
}

export const idsOf = (rows: readonly { id: string }[]): string[] => rows.map((row) => row.id).sort();

export function pageOf(
  tx: Tx,
  filter: string,
  after: string | null,
  limit: number,
): Promise<{ rows: { id: string }[] }> {
  const values: unknown[] = ['default'];
  const condition = filterCondition(filter, values);
  values.push(after ?? uuid(0).replaceAll(/\d/g, '0'));
  return tx.query<{ id: string }>(
    `SELECT d.id FROM devices d WHERE d.tenant_id = $1 AND ${condition} AND d.id >= $${values.length} ORDER BY d.id LIMIT ${limit}`,
    values,
  );
}
