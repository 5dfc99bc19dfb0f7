import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { SLOT } from '../messages.js';
import type { Template, Templates } from './template.js';

const TENANT = 'default';
const DAY = 86_400_000;
/** Of a month: a rollout takes so long, since devices are away. */
const ROLLOUT_DAYS = 20;

/** What a month of the fleet is, as rows. `at`: when its rollout began, epoch milliseconds. */
export interface Month {
  readonly number: number;
  readonly at: number;
  readonly rolloutId: string;
}

/**
 * Writes months of a fleet as rows: a rollout to all of it each month, whose installations are spread over 20 days. One
 * in 25 fails and keeps what it held; one device in 200 takes the first update and none after it, as one that was put
 * into a cupboard. Each month one device in twelve gets a new password.
 */
export class Months {
  private constructor(
    private readonly client: pg.Client,
    private readonly templates: Templates,
    private readonly typeId: string,
  ) {}

  /** Devices that are there, with a password each. @param began when they were registered, epoch milliseconds */
  static async begin(databaseUrl: string, templates: Templates, devices: number, began: number): Promise<Months> {
    // Not the service's pool, which gives up a statement that takes long.
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    const typeId = randomUUID();
    await client.query(`INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING`, [TENANT]);
    await client.query(
      `INSERT INTO device_types (tenant_id, id, name, slots) VALUES ($1, $2, 'bench', '{"${SLOT}": {"name": "Firmware"}}')`,
      [TENANT, typeId],
    );
    await client.query(
      `INSERT INTO devices (tenant_id, id, device_type_id, name, tags, custom, online, last_seen_at, created_at)
       SELECT $1, gen_random_uuid(), $2, 'switch-' || lpad(n::text, 6, '0'), ARRAY['all', 'floor-' || n % 10],
         jsonb_build_object('serial', 'S' || n), n % 10 > 0, $4, $4::timestamptz + n * interval '1 millisecond'
       FROM generate_series(1, $3::integer) AS n`,
      [TENANT, typeId, devices, iso(began)],
    );
    await client.query(
      `CREATE UNLOGGED TABLE bench_fleet AS SELECT id, row_number() OVER (ORDER BY created_at) AS n FROM devices`,
    );
    await client.query(PASSWORDS, [1, 0, iso(began)]);
    await client.query('VACUUM ANALYZE');
    return new Months(client, templates, typeId);
  }

  /** @param at when it begins, epoch milliseconds */
  async write(number: number, at: number): Promise<Month> {
    const { client, templates } = this;
    const [rolloutId, firmwareId] = [randomUUID(), randomUUID()];
    const sha256 = number.toString(16).padStart(64, '0');
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO firmwares (tenant_id, id, name, version, state, size, sha256, created_by, created_at, updated_at)
       VALUES ($1, $2, 'bench', $3, 'ready', 65536, $4, 'bench', $5, $5)`,
      [TENANT, firmwareId, `${number}.0.0`, sha256, iso(at)],
    );
    await client.query(
      `INSERT INTO firmware_associations (tenant_id, id, device_type_id, slot, firmware_id) VALUES ($1, $2, $3, $4, $5)`,
      [TENANT, randomUUID(), this.typeId, SLOT, firmwareId],
    );
    await client.query(SERVED, [iso(at), ROLLOUT_DAYS, number]);
    const own = { rollout_id: rolloutId, firmware_id: firmwareId, sha256, device_ids: [] };
    await this.insert('rollouts', templates.rollout, at, { ...own, id: rolloutId, name: `month ${number}` });
    for (const group of templates.groups) await this.insert('rollout_groups', group, at, own);
    await client.query('INSERT INTO rollout_firmwares (tenant_id, rollout_id, firmware_id) VALUES ($1, $2, $3)', [
      TENANT,
      rolloutId,
      firmwareId,
    ]);
    const { installation, target } = templates;
    await client.query(INSTALLATIONS, [{ ...installation.row, ...own }, installation.times]);
    await client.query(TARGETS, [{ ...target.row, ...own }, target.times]);
    await client.query(ENTRIES, [rolloutId, JSON.stringify(templates.entries)]);
    await client.query(ROLLOUT_ENTRIES, [rolloutId, JSON.stringify(templates.rolloutEntries), iso(at)]);
    await client.query(MOVED_ENTRIES);
    await client.query(SLOTS, [SLOT, `${number}.0.0`, sha256, firmwareId]);
    await client.query(PASSWORDS, [12, number % 12, iso(at)]);
    await client.query('DROP TABLE served, entered');
    await client.query('COMMIT');
    return { number, at, rolloutId };
  }

  /** What autovacuum does within the month. */
  async vacuum(): Promise<void> {
    await this.client.query('VACUUM ANALYZE');
  }

  end(): Promise<void> {
    return this.client.end();
  }

  private async insert(table: string, { row, times }: Template, at: number, own: object): Promise<void> {
    const moved = Object.fromEntries(Object.entries(times).map(([column, after]) => [column, iso(at + after)]));
    await this.client.query(
      `INSERT INTO ${table} SELECT r.* FROM jsonb_populate_record(NULL::${table}, $1::jsonb) AS r`,
      [{ ...row, ...moved, ...own }],
    );
  }
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

/** The end of a month that began then, epoch milliseconds. */
export const MONTH_MS = 30 * DAY;

/** Who takes part in this month, when, and how it ends. */
const SERVED = `
  CREATE TEMPORARY TABLE served AS
  SELECT f.id AS device_id, gen_random_uuid() AS id, (f.n * 7 + $3::integer) % 25 = 0 AS failed,
    $1::timestamptz + ((f.n * 7919) % 100000) / 100000.0 * $2::integer * interval '1 day' AS at
  FROM bench_fleet f WHERE f.n % 200 > 0 OR $3::integer = 1`;

/** The columns that are times, each as long after the beginning as in the template. */
const MOVED = `(SELECT jsonb_object_agg(key, s.at + value::float8 * interval '1 millisecond') FROM jsonb_each_text($2::jsonb))`;

const INSTALLATIONS = `
  INSERT INTO installations SELECT r.* FROM served s CROSS JOIN LATERAL jsonb_populate_record(NULL::installations,
    $1::jsonb || ${MOVED} || jsonb_build_object('id', s.id, 'device_id', s.device_id)
      || CASE WHEN s.failed THEN '{"state": "failed", "completed_at": null, "error": {"code": "WRITE_FAILED"}}' ELSE '{}'::jsonb END) AS r`;

const TARGETS = `
  INSERT INTO rollout_targets SELECT r.* FROM served s CROSS JOIN LATERAL jsonb_populate_record(NULL::rollout_targets,
    $1::jsonb || ${MOVED} || jsonb_build_object('device_id', s.device_id, 'installation_id', s.id, 'rank', gen_random_uuid())
      || CASE WHEN s.failed THEN '{"state": "failed"}' ELSE '{}'::jsonb END) AS r`;

const ENTRIES = `
  CREATE TEMPORARY TABLE entered AS
  SELECT s.at + (e.entry->>'after')::float8 * interval '1 millisecond' AS at, s.device_id, s.id AS installation_id,
    $1::uuid AS rollout_id, e.entry->>'event' AS event, e.entry->'data' AS data, e.position
  FROM served s CROSS JOIN jsonb_array_elements($2::jsonb) WITH ORDINALITY AS e(entry, position)`;

const ROLLOUT_ENTRIES = `
  INSERT INTO entered SELECT $3::timestamptz + (e.entry->>'after')::float8 * interval '1 millisecond', NULL, NULL, $1::uuid,
    e.entry->>'event', e.entry->'data', e.position FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS e(entry, position)`;

/** In the order of their times, as they are written in the field. */
const MOVED_ENTRIES = `
  INSERT INTO history (tenant_id, at, device_id, installation_id, rollout_id, event, data)
  SELECT '${TENANT}', at, device_id, installation_id, rollout_id, event, data FROM entered ORDER BY at, position`;

const SLOTS = `
  INSERT INTO device_slots (tenant_id, device_id, slot, version, sha256, firmware_id, installation_id, confirmed, reported_at)
  SELECT '${TENANT}', s.device_id, $1, $2, $3, $4, s.id, true, s.at FROM served s WHERE NOT s.failed
  ON CONFLICT (tenant_id, device_id, slot) DO UPDATE SET version = excluded.version, sha256 = excluded.sha256,
    firmware_id = excluded.firmware_id, installation_id = excluded.installation_id, reported_at = excluded.reported_at`;

/** One device in $1 gets a new password, and loses the one that it had. */
const PASSWORDS = `
  WITH chosen AS (SELECT id FROM bench_fleet WHERE n % $1::integer = $2::integer),
    revoked AS (UPDATE device_credentials SET revoked_at = $3 WHERE revoked_at IS NULL AND device_id IN (SELECT id FROM chosen))
  INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash, created_at)
  SELECT '${TENANT}', gen_random_uuid(), id, 'password', '${TENANT}/' || id, sha256(id::text::bytea), $3 FROM chosen`;
