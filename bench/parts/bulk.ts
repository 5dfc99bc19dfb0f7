import { setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { request } from 'undici';
import { Fleet } from '../fleet.js';
import type { Context, Measured, Part } from '../part.js';
import { rollOut } from '../rollout/end-to-end.js';
import { Stage } from '../stage.js';
import { now } from '../wait.js';

const ROWS = 100_000;
/** Devices of the rollout beside: enough that it lasts longer than the import. */
const BESIDE = 1_000;
const LOOK_MS = 500;
const IMPORT_MS = 600_000;
const MEMORY_MS = 250;

/** How long a whole fleet takes to come in and to go out, while a rollout runs. */
export const bulk: Part = {
  title: '100,000 devices imported and exported, while a rollout runs',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const rows = context.count(ROWS, 2_000);
    const beside = await stage.register(context.count(BESIDE, 20));
    const fleet = new Fleet(context);
    await fleet.connect(stage, beside, 'install');
    context.say(`imports ${rows} devices beside a rollout to ${beside.length}`);
    const memory = apiMemory(context, stage);
    const rolling = rollOut(stage, beside, { maxInFlight: 100, startsPerMinute: 600 });
    const [importMs] = await Promise.all([imported(stage, rows).finally(() => memory.stop()), rolling]);
    const { exportMs, lines } = await exported(stage);
    const bare = await bareLoops(stage, rows);
    if (lines < rows) throw new Error(`${lines} of ${rows} devices were exported`);
    const share = rows / ROWS;
    return {
      figures: [
        {
          name: `import of ${rows} devices, until the job ends`,
          value: importMs / 1_000,
          unit: 's',
          beside: { name: 'the same rows by bare pg', value: bare.writeMs / 1_000 },
          target: { of: 'value', is: 'at most', value: 60 * share },
          detail: 'onConflict=fail, all in one transaction at its end',
        },
        {
          name: 'memory of the API while it imports, most over what it was',
          value: memory.most(),
          unit: 'MB',
          beside: { name: 'after a fifth of that time', value: memory.early() },
        },
        {
          name: `export of ${lines} devices`,
          value: exportMs / 1_000,
          unit: 's',
          beside: { name: 'the same rows by bare pg', value: bare.readMs / 1_000 },
          target: { of: 'value', is: 'at most', value: 15 * share },
        },
      ],
      method: [
        `A file of ${rows} JSON lines with an id, two tags, one alias and two attributes each, made while it is sent. From the first byte of the request until the job is done.`,
        `Beside it a rollout to ${beside.length} simulated devices runs from its start to its end. The export is read whole and its lines are counted, once the rollout has ended.`,
        'Memory: the resident set of the process of the API, four times a second, over what it was before. Constant: it is no more at the end than after a fifth of the time.',
        'Bare: one connection of `pg` writes the same lines into the same table, 500 a statement (no line checked, no job kept, triggers and indices as they are), and reads them again as JSON, 500 at once. After the others, with nothing else to do.',
      ],
    };
  },
};

/** Megabytes by which the API grew: the most of all, and the most within the first fifth of the time. */
interface Growth {
  stop(): void;
  most(): number;
  early(): number;
}

/** Looks until it is stopped. */
function apiMemory(context: Context, stage: Stage): Growth {
  const look = (): number => stage.usage().get('api')?.memoryMb ?? 0;
  const before = look();
  const seen: number[] = [];
  const timer = setInterval(() => seen.push(look() - before), MEMORY_MS);
  context.atEnd(() => clearInterval(timer));
  return {
    stop: () => clearInterval(timer),
    most: () => Math.max(0, ...seen),
    early: () => Math.max(0, ...seen.slice(0, Math.ceil(seen.length / 5))),
  };
}

/** What the same rows cost where nothing is decided: the floor that the figures stand beside. */
async function bareLoops({ sql, typeId }: Stage, rows: number): Promise<{ writeMs: number; readMs: number }> {
  const began = now();
  for (let from = 0; from < rows; from += AT_ONCE)
    await sql.query(BARE_WRITE, [typeId, from, Math.min(from + AT_ONCE, rows) - 1]);
  const written = now();
  const one = await sql.connect();
  try {
    await one.query('BEGIN');
    await one.query(BARE_READ);
    for (let read = AT_ONCE; read === AT_ONCE;) read = (await one.query(`FETCH ${AT_ONCE} FROM bare`)).rowCount ?? 0;
    await one.query('ROLLBACK');
  } finally {
    one.release();
  }
  return { writeMs: written - began, readMs: now() - written };
}

const AT_ONCE = 500;
const BARE_WRITE = `
  WITH made AS (
    INSERT INTO devices (tenant_id, id, device_type_id, name, tags, custom)
    SELECT 'default', gen_random_uuid(), $1::uuid, 'Bare ' || n, ARRAY['bulk', 'hall-' || n % 50],
      jsonb_build_object('row', n, 'site', 'hamburg') FROM generate_series($2::integer, $3::integer) AS n
    RETURNING id, name)
  INSERT INTO device_aliases (tenant_id, device_id, alias) SELECT 'default', id, lower(name) FROM made`;
const BARE_READ = `
  DECLARE bare CURSOR FOR SELECT to_jsonb(d)::text AS line FROM devices d WHERE tenant_id = 'default' AND name LIKE 'Bare %'`;

async function imported({ operator, typeId }: Stage, rows: number): Promise<number> {
  const began = now();
  const { statusCode, body } = await request(`${operator.baseUrl}/v1/devices/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operator.token}`, 'content-type': 'application/x-ndjson' },
    body: Readable.from(fileOf(rows, typeId)),
    headersTimeout: IMPORT_MS,
  });
  const { data } = (await body.json()) as { data?: { id: string } };
  if (!data) throw new Error(`the import was answered ${statusCode}`);
  for (;;) {
    const job = await operator.call<{ state: string; done: number; errors: unknown[] }>('GET', `/v1/jobs/${data.id}`);
    if (job.state === 'done' && job.done === rows) return now() - began;
    if (!['queued', 'running'].includes(job.state) || now() - began > IMPORT_MS)
      throw new Error(
        `the import is ${job.state} with ${job.done} of ${rows}: ${JSON.stringify(job.errors.slice(0, 3))}`,
      );
    await sleep(LOOK_MS);
  }
}

function* fileOf(rows: number, deviceTypeId: string): Generator<string> {
  for (let n = 0; n < rows; n += 1) {
    const info = { name: `Bulk ${n}`, deviceTypeId, aliases: [`bulk-${n}`], tags: ['bulk', `hall-${n % 50}`] };
    yield `${JSON.stringify({ info, custom: { row: n, site: 'hamburg' } })}\n`;
  }
}

async function exported({ operator }: Stage): Promise<{ exportMs: number; lines: number }> {
  const began = now();
  const { body } = await request(`${operator.baseUrl}/v1/devices/export`, {
    headers: { authorization: `Bearer ${operator.token}` },
    bodyTimeout: IMPORT_MS,
  });
  let lines = 0;
  for await (const chunk of body) for (const byte of chunk as Buffer) if (byte === 0x0a) lines += 1;
  return { exportMs: now() - began, lines };
}
