import { setTimeout as sleep } from 'node:timers/promises';
import type { RolloutResource } from '../../demo/rollout/resource.js';
import { SLOT, type Login } from '../messages.js';
import type { Stage } from '../stage.js';
import { spent } from '../usage.js';
import { now, until } from '../wait.js';

/**
 * How often what a dashboard shows is asked for while the rollout runs: more often, and the asking takes a tenth of the
 * cores (measured at 200 ms).
 */
const LOOK_MS = 1_000;
const SETTLE_MS = 5_000;
const IDLE_TURNS = 40;
const MATERIALISED_MS = 60_000;
/** Longer than a machine that is busy with other work takes: two devices a second. */
const limitMs = (count: number) => 60_000 + count * 500;
/** Over so long a rate is looked at where it was lowest. */
const WINDOW_S = 10;

export interface EndToEnd {
  /** From the command to start until the last device had reported its end, a minute. */
  readonly completedPerMinute: number;
  /**
   * In the worst `WINDOW_S` seconds of the last group, from its first end to its last start; NaN where that was
   * shorter.
   */
  readonly slowestPerMinute: number;
  /** From the last report to `finished`, milliseconds. */
  readonly finishedAfterMs: number;
  /** Milliseconds of each request while it ran, by what was asked for, and of the same with nothing else to do. */
  readonly lists: ReadonlyMap<string, { readonly running: readonly number[]; readonly idle: readonly number[] }>;
  /** CPU milliseconds per device, by part of the service. */
  readonly cpuMs: ReadonlyMap<string, number>;
  readonly most: number;
}

export interface Pace {
  readonly maxInFlight: number;
  readonly startsPerMinute: number;
}

/**
 * A rollout to these devices over the API, from the command to start until it has finished. @throws where it ends
 * otherwise
 */
export async function rollOut(stage: Stage, devices: readonly Login[], pace: Pace): Promise<EndToEnd> {
  const { operator } = stage;
  const firmwareId = await stage.firmware();
  const { id } = await operator.call<RolloutResource>('POST', '/v1/rollouts', {
    name: 'bench',
    steps: [{ slot: SLOT, firmwareId }],
    targets: { deviceIds: devices.map(({ deviceId }) => deviceId) },
    pace,
  });
  const read = () => operator.call<RolloutResource>('GET', `/v1/rollouts/${id}`);
  await until(
    'the targets are snapshotted',
    async () => (await read()).groups.reduce((sum, group) => sum + group.size, 0) === devices.length,
    MATERIALISED_MS,
  );
  const before = stage.usage();
  const began = now();
  await operator.call('POST', `/v1/rollouts/${id}/start`);
  const running = await askUntilFinished(stage, id, limitMs(devices.length));
  const cpu = spent(before, stage.usage());
  const idle = await askWhenIdle(stage, id);
  const lists = new Map([...running].map(([name, times]) => [name, { running: times, idle: idle.get(name)! }]));
  const rollout = await read();
  if (rollout.counters.installed !== devices.length)
    throw new Error(`not all of ${devices.length} devices ended as installed: ${JSON.stringify(rollout.counters)}`);
  const { rows } = await stage.sql.query<{ last: Date; most: number }>(LAST, [id]);
  const { last, most } = rows[0]!;
  return {
    completedPerMinute: (devices.length * 60_000) / (last.getTime() - began),
    slowestPerMinute: await slowestOf(stage, id),
    finishedAfterMs: Date.parse(rollout.finishedAt!) - last.getTime(),
    lists,
    cpuMs: new Map([...cpu].map(([name, ms]) => [name, ms / devices.length])),
    most,
  };
}

/** `most`: how many installations were open at once, as their own times say. */
const LAST = `
  WITH moves AS (SELECT requested_at AS at, 1 AS by FROM installations WHERE rollout_id = $1 UNION ALL SELECT ended_at, -1 FROM installations WHERE rollout_id = $1)
  SELECT (SELECT max(completed_at) FROM installations WHERE rollout_id = $1) AS last, (SELECT max(open)::integer FROM (SELECT sum(by) OVER (ORDER BY at, by) AS open FROM moves) AS o) AS most`;

async function slowestOf(stage: Stage, id: string): Promise<number> {
  const { rows } = await stage.sql.query<{ completed: number | null }>(SLOWEST, [id, WINDOW_S]);
  return rows[0]!.completed ?? Number.NaN;
}

const SLOWEST = `
  WITH ends AS (SELECT i.requested_at, i.completed_at, t.group_position FROM installations i JOIN rollout_targets t ON t.tenant_id = i.tenant_id AND t.rollout_id = i.rollout_id AND t.device_id = i.device_id WHERE i.rollout_id = $1),
       span AS (SELECT min(completed_at) AS lo, max(requested_at) AS hi FROM ends WHERE group_position = (SELECT max(group_position) FROM ends))
  SELECT min((SELECT count(*) FROM ends WHERE completed_at >= w AND completed_at < w + $2::integer * interval '1 second'))::float8 * 60 / $2::integer AS completed
  FROM span, generate_series(span.lo, span.hi - $2::integer * interval '1 second', interval '1 second') AS w`;

/** What a dashboard shows, by path. */
const pathsOf = (id: string): readonly (readonly [string, string])[] => [
  ['the rollout with its counters', `/v1/rollouts/${id}`],
  ['rollouts that run', '/v1/rollouts?phase=running'],
  ['its devices in flight', `/v1/rollouts/${id}/devices?state=inFlight&pageSize=100`],
  ['its devices of the last group', `/v1/rollouts/${id}/devices?group=rest&pageSize=100`],
  ['its installations', `/v1/firmware-installations?rolloutId=${id}&pageSize=100`],
  ['its events', `/v1/rollouts/${id}/events?pageSize=100`],
];

/** Asks for each once, and adds how long it took. */
async function ask(stage: Stage, id: string, times: Map<string, number[]>): Promise<void> {
  for (const [name, path] of pathsOf(id)) {
    const began = now();
    await stage.operator.call('GET', path);
    times.set(name, [...(times.get(name) ?? []), now() - began]);
  }
}

/** After it has finished, and the last of its work is done. */
async function askWhenIdle(stage: Stage, id: string): Promise<Map<string, number[]>> {
  await sleep(SETTLE_MS);
  const times = new Map<string, number[]>();
  for (let turn = 0; turn < IDLE_TURNS; turn += 1) await ask(stage, id, times);
  return times;
}

async function askUntilFinished(stage: Stage, id: string, ms: number): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>();
  for (const end = now() + ms; ; await sleep(LOOK_MS)) {
    await ask(stage, id, times);
    const { rows } = await stage.sql.query<{ phase: string }>('SELECT phase FROM rollouts WHERE id = $1', [id]);
    const phase = rows[0]!.phase;
    if (phase === 'finished') return times;
    if (phase !== 'running') throw new Error(`the rollout is ${phase}`);
    if (now() > end) throw new Error(`the rollout had not finished after ${ms / 1_000} s`);
  }
}
