import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import { Child } from '../child.js';
import { writeBareRows } from '../ingest/bare-rows.js';
import { SLOT, type Listening, type FromPublishers, type Reporter, type ToPublishers } from '../messages.js';
import type { Context, Figure, Measured, Part } from '../part.js';
import { Stage } from '../stage.js';
import { spent } from '../usage.js';
import { until } from '../wait.js';

const CONNECTIONS = 1_000;
/** Unanswered per connection: a device says one thing, and perhaps the next. */
const IN_FLIGHT = 2;
const MS = 30_000;
const WARM_MS = 3_000;
const CONNECT_MS = 120_000;
const DRAIN_MS = 60_000;

type Publishers = Child<ToPublishers, FromPublishers>;
type Published = Extract<FromPublishers, { said: 'published' }>;

/** How many reports of devices are committed in a second. */
export const reports: Part = {
  title: 'Reports of devices, committed',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const reporters = await offer(stage, context.count(CONNECTIONS, 50));
    const publishers: Publishers = new Child(context, new URL('../ingest/publishers.js', import.meta.url));
    const ms = context.count(MS, 5_000);
    const run = { do: 'publish', warmMs: WARM_MS, ms, inFlight: IN_FLIGHT } as const;

    await connect(publishers, stage.service.endpoints.mqtt, reporters);
    context.say(`${reporters.length} connections publish for ${(WARM_MS + ms) / 1_000} s`);
    const before = stage.usage();
    const published = await publish(publishers, run);
    const cpu = spent(before, stage.usage());
    const committed = await commitsOf(stage, published);

    const bareRows = await writeBareRows(
      stage.sql,
      reporters.map((one) => ({ id: one.installationId, deviceId: one.deviceId })),
      Math.round(committed.batch),
      Math.min(10_000, ms),
    );
    await connect(publishers, await bareBroker(context), reporters);
    const alone = await publish(publishers, { ...run, ms: Math.min(10_000, ms) });
    return {
      figures: figuresOf(committed, cpu, published, bareRows, alone),
      method: methodOf(reporters.length),
      notes: committed.notes,
    };
  },
};

export interface Committed {
  /** Answered in all by now. */
  readonly total: number;
  readonly perSecond: number;
  readonly batch: number;
  readonly sealedPerSecond: number;
  readonly notes: readonly string[];
}

/**
 * Counted by the rows themselves. `earlier` were answered in runs before.  `at` is the time of the batch, so that equal
 * ones are one transaction.
 */
export async function commitsOf(
  stage: Stage,
  { from, to, total: answered }: Published,
  earlier = 0,
): Promise<Committed> {
  const total = earlier + answered;
  const count = async (where: string, values: unknown[] = []) =>
    (
      await stage.sql.query<{ entries: number; batches: number }>(
        `SELECT count(*)::integer AS entries, count(DISTINCT at)::integer AS batches FROM history WHERE event IN ('accepted', 'deferred') ${where}`,
        values,
      )
    ).rows[0]!;
  const window = [new Date(from), new Date(to)];
  const { entries, batches } = await count('AND at >= $1 AND at < $2', window);
  let all = 0;
  const notes: string[] = [];
  try {
    await until(
      'every report that was answered is committed',
      async () => (all = (await count('')).entries) >= total,
      DRAIN_MS,
    );
  } catch {
    notes.push(`${total} reports were answered by the broker, ${all} were committed within ${DRAIN_MS / 1_000} s.`);
  }
  const sealed = await count('AND at >= $1 AND at < $2 AND number IS NOT NULL', window);
  return {
    total,
    perSecond: (entries * 1_000) / (to - from),
    batch: entries / Math.max(1, batches),
    sealedPerSecond: (sealed.entries * 1_000) / (to - from),
    notes,
  };
}

/**
 * Devices with one installation each that was offered, written as rows: no process waits for them, so that nothing but
 * the ingester works.
 */
export async function offer(stage: Stage, count: number): Promise<Reporter[]> {
  const firmwareId = await stage.firmware();
  const devices = await stage.register(count);
  const { rows } = await stage.sql.query<{ id: string; device_id: string }>(
    `INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, executing, revision, policy, sha256, due_at, requested_at, requested_by, state_since, process_started_at)
     SELECT 'default', gen_random_uuid(), device_id, $1, $2, 'delivered', true, 1, $3, repeat('0', 64), now() + interval '7 days', now(), 'bench', now(), now() FROM unnest($4::uuid[]) AS device_id
     RETURNING id, device_id`,
    [firmwareId, SLOT, JSON.stringify(DEFAULT_POLICY), devices.map((one) => one.deviceId)],
  );
  const ids = new Map(rows.map((row) => [row.device_id, row.id]));
  return devices.map((one) => ({ ...one, installationId: ids.get(one.deviceId)! }));
}

async function bareBroker(context: Context): Promise<string> {
  const broker = new Child<never, Listening>(context, new URL('../ingest/bare-broker.js', import.meta.url));
  return `mqtt://127.0.0.1:${await broker.hear('the broker listens', 20_000, (message) => message.port)}`;
}

export async function connect(publishers: Publishers, url: string, reporters: readonly Reporter[]): Promise<void> {
  publishers.say({ do: 'connect', url, reporters });
  await publishers.hear('the publishers are connected', CONNECT_MS, (message) =>
    message.said === 'connected' ? true : undefined,
  );
}

export async function publish(
  publishers: Publishers,
  run: Extract<ToPublishers, { do: 'publish' }>,
): Promise<Published> {
  publishers.say(run);
  return publishers.hear('the publishers are through', run.warmMs + run.ms + DRAIN_MS, (message) =>
    message.said === 'published' ? message : undefined,
  );
}

function figuresOf(
  committed: Committed,
  cpu: ReadonlyMap<string, number>,
  published: Published,
  bareRows: number,
  alone: Published,
): Figure[] {
  const perSecond = ({ answered, from, to }: Published) => (answered * 1_000) / (to - from);
  const count: Figure = {
    name: 'committed',
    value: committed.perSecond,
    unit: '/s',
    beside: { name: 'the same rows by bare pg', value: bareRows },
  };
  return [
    {
      ...count,
      target: { of: 'value', is: 'at least', value: 3_000 },
      detail: `${committed.batch.toFixed(0)} reports in a transaction`,
    },
    {
      ...count,
      name: 'committed, by the second target',
      target: { of: 'value', is: 'at least', value: 10_000 },
      detail: 'the rows of CPU say where the time goes',
    },
    {
      name: 'answered by the broker',
      value: perSecond(published),
      unit: '/s',
      beside: { name: 'the broker alone', value: perSecond(alone) },
      detail: 'more than is committed for as long as the buffers before the bridge fill',
    },
    {
      name: 'sealed by then',
      value: committed.sealedPerSecond,
      unit: '/s',
      detail: 'of those committed in the time that counts, numbered and chained when the last had been committed',
    },
    ...[...cpu]
      .sort(([, a], [, b]) => b - a)
      .map(([name, ms]): Figure => ({ name: `CPU, ${name}`, value: ms / published.total, unit: 'ms each' })),
  ];
}

function methodOf(connections: number): string[] {
  return [
    `${connections} connections publish statuses of QoS 1 as fast as the broker answers, at most ${IN_FLIGHT} unanswered on each; they alternate between accepted and deferred, so that each is a change of state: a row updated, a history entry, and for every other one a mark in the outbox. The installations are written as rows before, and no process waits for them: nothing is sent to Temporal.`,
    "Committed are the history entries with a time in the window, which begins 3 s after the first publish. The bridge acknowledges to the broker after the commit; the embedded broker answers a device when it has taken the message, and stops reading once the sockets' buffers to the bridge, some 30,000 messages, are full.",
    'Ceilings: bare `pg` on one connection, one transaction after the other, writes the rows of as large a batch into the same tables (nothing read, locked, decided or parsed); and the embedded broker in a process of its own, without a bridge, from publish to PUBACK.',
  ];
}
