import { randomUUID } from 'node:crypto';
import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import type { Stage } from '../stage.js';
import { printCursor } from '../../store/db/cursors.js';

/** What the lists can be asked for. */
export interface Filled {
  readonly rareTypeId: string;
  readonly gatewayId: string;
  readonly rolloutId: string;
  readonly deviceId: string;
  /** Nine tenths down each list. */
  readonly deviceCursor: string;
  readonly installationCursor: string;
}

const GATEWAYS = 200;
const ROLLOUTS = 100;

/**
 * Devices: one in ten is tagged `north`, one in a hundred `lab`, one in ten thousand `rare`; one in a thousand has
 * another type; half of them are behind one of 200 gateways; each has a serial number and a floor as attributes.
 * Installations: one per device; 95 in 100 installed, then failed, rejected, timed_out, and one in a hundred open; each
 * belongs to one of 100 rollouts. History is written numbered, or the sealer would work through it for minutes.
 */
export async function fill(stage: Stage, rows: number): Promise<Filled> {
  const { sql, typeId } = stage;
  const firmwareId = await stage.firmware();
  const rareTypeId = await stage.operator.deviceType({
    name: 'rare',
    model: 'rare',
    slots: { firmware: { name: 'Firmware' } },
  });
  const rollouts = Array.from({ length: ROLLOUTS }, () => randomUUID());
  await sql.query(DEVICES, [rows, typeId, rareTypeId, GATEWAYS]);
  await sql.query(INSTALLATIONS, [firmwareId, JSON.stringify(DEFAULT_POLICY), rollouts]);
  await sql.query(HISTORY);
  await sql.query('ANALYZE');
  const one = async <T extends object>(text: string, values: unknown[] = []) =>
    (await sql.query<T>(text, values)).rows[0]!;
  const deep = Math.floor(rows * 0.9);
  const cursor = async (table: string, time: string) =>
    printCursor(
      await one<{ at: string; id: string }>(
        `SELECT to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, id FROM ${table} ORDER BY ${time} DESC, id DESC OFFSET ${deep} LIMIT 1`,
      ),
    );
  const { id: gatewayId } = await one<{ id: string }>(
    `SELECT connected_by AS id FROM devices WHERE connected_by IS NOT NULL LIMIT 1`,
  );
  const { id: deviceId } = await one<{ id: string }>(
    `SELECT device_id AS id FROM installations OFFSET ${deep} LIMIT 1`,
  );
  return {
    rareTypeId,
    gatewayId,
    deviceId,
    rolloutId: rollouts[0]!,
    deviceCursor: await cursor('devices', 'created_at'),
    installationCursor: await cursor('installations', 'requested_at'),
  };
}

const DEVICES = `
  WITH made AS (SELECT n, gen_random_uuid() AS id FROM generate_series(1, $1::integer) AS n),
       gateways AS (SELECT id, row_number() OVER (ORDER BY n) - 1 AS at FROM made WHERE n <= $4::integer)
  INSERT INTO devices (tenant_id, id, device_type_id, name, tags, connected_by, custom, created_at, updated_at, online, last_seen_at)
  SELECT 'default', made.id, CASE WHEN n % 1000 = 500 THEN $3::uuid ELSE $2::uuid END, 'switch-' || lpad(n::text, 6, '0'),
    ARRAY['all'] || CASE WHEN n % 10 = 0 THEN ARRAY['north'] ELSE '{}' END || CASE WHEN n % 100 = 0 THEN ARRAY['lab'] ELSE '{}' END || CASE WHEN n % 10000 = 1 THEN ARRAY['rare'] ELSE '{}' END,
    CASE WHEN n > $4 AND n % 2 = 0 THEN gateways.id END, jsonb_build_object('serial', 'S' || n, 'floor', n % 10), now() - n * interval '7 seconds', now(), n % 3 = 0, now() - n * interval '1 second'
  FROM made LEFT JOIN gateways ON gateways.at = made.n % $4::integer`;

const INSTALLATIONS = `
  INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, policy, sha256, requested_at, requested_by, state_since, started_at, completed_at, rejected_at, ended_at,
    rollout_id, process_started_at)
  SELECT 'default', gen_random_uuid(), id, $1, CASE WHEN n % 10 = 0 THEN 'bootloader' ELSE 'firmware' END, state, $2, repeat('0', 64), at, 'bench', at, at,
    CASE WHEN state = 'installed' THEN at END, CASE WHEN state IN ('failed', 'rejected', 'timed_out') THEN at END, CASE WHEN state <> 'downloading' THEN at END,
    ($3::uuid[])[1 + n % cardinality($3::uuid[])], at
  FROM (SELECT id, n, now() - n * interval '11 seconds' AS at,
          CASE n % 100 WHEN 1 THEN 'failed' WHEN 2 THEN 'rejected' WHEN 3 THEN 'timed_out' WHEN 4 THEN 'failed' WHEN 5 THEN 'downloading' ELSE 'installed' END AS state
        FROM (SELECT id, row_number() OVER (ORDER BY created_at DESC) AS n FROM devices) AS numbered) AS chosen`;

const HISTORY = `
  INSERT INTO history (tenant_id, at, device_id, installation_id, event, data, number, hash)
  SELECT 'default', requested_at, device_id, id, event, '{"by": "bench"}', (SELECT coalesce(max(number), 0) FROM history) + row_number() OVER (), '\\x00'
  FROM installations, unnest(ARRAY['requested', 'delivered', 'installed']) AS event`;
