import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { createRolloutActivities, type RolloutActivities } from '../../activities/rollout.js';
import { newRollout } from '../../protocol/http/rollout-plan.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import { migrate } from '../../store/db/migrate.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { record } from '../../store/record.js';
import { commandRollout } from '../../store/commands/rollout-commands.js';
import { createRollout } from '../../store/commands/rollouts.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { SLOT } from '../messages.js';
import type { Context } from '../part.js';
import type { Stage } from '../stage.js';
import { now } from '../wait.js';
import { watched, type Touched } from './touched.js';

const TENANT = 'default';
const CAP = 100;
/** Ends, and so admissions, between two ticks: about what a second brings at the rates of this machine. */
export const ENDED_AT_ONCE = 10;
/** The first ones warm the caches, and make the statements that are prepared. */
const WARM_UP = 5;

/** One rollout, and what its ticks took, milliseconds. */
export class Ticked {
  readonly admitting: number[] = [];
  readonly looking: number[] = [];
  touchedAdmitting: readonly Touched[] = [];
  touchedLooking: readonly Touched[] = [];
  materialiseMs = 0;

  private constructor(
    readonly size: number,
    private readonly pool: Pool,
    private readonly activities: RolloutActivities,
    readonly id: string,
  ) {}

  /** Creates it to the `size` newest devices, has its targets snapshotted, and starts it. */
  static async start(pool: Pool, firmwareId: string, devices: readonly string[]): Promise<Ticked> {
    const body = newRollout.parse({
      name: `to ${devices.length}`,
      steps: [{ slot: SLOT, firmwareId }],
      targets: { deviceIds: [] },
      groups: [{ name: 'all' }],
      pace: { maxInFlight: CAP, startsPerMinute: 100_000 },
    });
    const wanted = toPlan(body);
    // More names than fit into one request: a fleet of this size is meant by a filter, which the materialisation reads
    // the same way.
    const plan = { ...wanted.plan, targets: { ...wanted.plan.targets, deviceIds: devices } };
    const activities = createRolloutActivities({ pool });
    const began = now();
    const { id } = await asTenant(pool, TENANT, (tx) =>
      createRollout(tx, TENANT, { plan, defaulted: wanted.defaulted, createdBy: 'bench' }, Date.now()),
    );
    const ticked = new Ticked(devices.length, pool, activities, id);
    await ticked.settle();
    ticked.materialiseMs = now() - began;
    await asTenant(pool, TENANT, (tx) =>
      commandRollout(tx, TENANT, id, { id: 'bench', mayApprove: false }, { do: 'start' }, Date.now()),
    );
    await ticked.settle();
    return ticked;
  }

  /** One that admits as many as have ended before, and one that finds nothing to do. */
  async sample(counts: boolean): Promise<void> {
    await this.end(ENDED_AT_ONCE);
    const times = [];
    for (let look = 0; look < 2; look += 1) {
      const began = now();
      await this.activities.tick({ tenantId: TENANT, rolloutId: this.id });
      times.push(now() - began);
    }
    if (!counts) return;
    this.admitting.push(times[0]!);
    this.looking.push(times[1]!);
  }

  /** The same two, with each statement explained: what they touch, not how long they take. */
  async watch(): Promise<void> {
    await this.end(ENDED_AT_ONCE);
    const look = async (): Promise<Touched[]> => {
      const touched: Touched[] = [];
      await createRolloutActivities({ pool: watched(this.pool, touched) }).tick({
        tenantId: TENANT,
        rolloutId: this.id,
      });
      return touched;
    };
    this.touchedAdmitting = await look();
    this.touchedLooking = await look();
  }

  private async settle(): Promise<void> {
    while ((await this.activities.tick({ tenantId: TENANT, rolloutId: this.id })).decision === 'go_on') continue;
  }

  /** So many installations report that they are installed: by the single write path, outside of what is measured. */
  private async end(count: number): Promise<void> {
    const { rows } = await this.pool.query<{ device_id: string; id: string }>(
      `SELECT device_id, installation_id AS id FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND state = 'inFlight' ORDER BY rank LIMIT $3`,
      [TENANT, this.id, count],
    );
    const reports = rows.flatMap((row) => {
      const of = { tenantId: TENANT, deviceId: row.device_id, kind: 'event' as const, installationId: row.id };
      return [
        { ...of, from: { kind: 'process' as const }, event: { type: 'begin' as const } },
        { ...of, from: { kind: 'device' as const, node: row.device_id }, event: { type: 'installed' as const } },
      ];
    });
    await asService(this.pool, (tx) => record(tx, reports, Date.now()));
  }
}

/**
 * Ticks of a small and of a large rollout, in turn, so that other work on the machine meets both. On a database of its
 * own: no engine runs what it starts.
 */
export async function measureTicks(
  context: Context,
  stage: Stage,
  sizes: readonly number[],
  samples: number,
): Promise<Ticked[]> {
  const databaseUrl = await freshDatabase(stage);
  const [firmwareId, devices] = await fill(databaseUrl, Math.max(...sizes));
  const pool = openPool({ databaseUrl, name: 'bench-ticks', max: 2 });
  context.atEnd(() => pool.end());
  const all: Ticked[] = [];
  for (const size of sizes) all.push(await Ticked.start(pool, firmwareId, devices.slice(0, size)));
  await pool.query('ANALYZE');
  for (let done = -WARM_UP; done < samples; done += 1) for (const one of all) await one.sample(done >= 0);
  for (const one of all) await one.watch();
  return all;
}

export async function freshDatabase(stage: Stage): Promise<string> {
  const url = new URL(stage.service.endpoints.database);
  const name = `bench_${randomUUID().slice(0, 8)}`;
  const admin = new pg.Client({ connectionString: url.href });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  url.pathname = `/${name}`;
  await migrate(url.href);
  return url.href;
}

/** Devices that are there, hold something old, and have a password. @returns the firmware, and the devices' ids. */
export async function fill(connectionString: string, count: number): Promise<[string, string[]]> {
  // Not the service's pool, which gives up a statement that takes long.
  const client = new pg.Client({ connectionString });
  await client.connect();
  const [typeId, firmwareId] = [randomUUID(), randomUUID()];
  await client.query(`INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING`, [TENANT]);
  await client.query(
    `INSERT INTO device_types (tenant_id, id, name, slots) VALUES ($1, $2, 'bench', '{"${SLOT}": {"name": "Firmware"}}')`,
    [TENANT, typeId],
  );
  await client.query(
    `INSERT INTO firmwares (tenant_id, id, name, version, state, size, sha256, created_by) VALUES ($1, $2, 'bench', '2.0.0', 'ready', 4, repeat('b', 64), 'bench')`,
    [TENANT, firmwareId],
  );
  await client.query(
    `INSERT INTO firmware_associations (tenant_id, id, device_type_id, slot, firmware_id) VALUES ($1, $2, $3, '${SLOT}', $4)`,
    [TENANT, randomUUID(), typeId, firmwareId],
  );
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO devices (tenant_id, id, device_type_id, name, online, created_at) SELECT $1, gen_random_uuid(), $2, 'bench ' || n, true, now() - interval '1 minute' FROM generate_series(1, $3::integer) AS n RETURNING id`,
    [TENANT, typeId, count],
  );
  await client.query(
    `INSERT INTO device_slots (tenant_id, device_id, slot, version, sha256, confirmed) SELECT tenant_id, id, '${SLOT}', '1.0.0', repeat('a', 64), true FROM devices`,
  );
  await client.query(
    `INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash) SELECT tenant_id, gen_random_uuid(), id, 'password', tenant_id || '/' || id, '\\x00' FROM devices`,
  );
  await client.query('ANALYZE');
  await client.end();
  return [firmwareId, rows.map(({ id }) => id)];
}
