import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { Operator } from '../../demo/service/operator.js';
import { createLog } from '../../runtime/log.js';
import { freePort } from '../../workers/embedded/ports.js';
import { findTemporal } from '../../workers/embedded/temporal-binary.js';
import { startTemporal } from '../../workers/embedded/temporal.js';
import { Balancer } from '../crash/balancer.js';
import { FleetInFlight } from '../e2e/fleet-in-flight.js';
import { TestedMosquitto } from '../support/mosquitto.js';
import { TestedPostgres } from '../support/postgresql.js';
import { atRest } from './at-rest.js';
import { SteadyOperator, SteadyRollout, SteadyWave } from './load.js';
import { migrateBy, RolledProcess, type Kind } from './rolled-process.js';
import { BASE, checkOutOld, copyNew, LEFTOVER, type Version } from './versions.js';

/**
 * `npm run test:upgrade`: two of each process on an outside PostgreSQL, Temporal and mosquitto are rolled one by one
 * from a version of before to the present one, and back, while installations and a rollout run and an operator reads
 * and writes. Nothing may be lost, stuck, refused or installed twice.
 */
const WAVE = 100;
const ROLLOUT = 30;
/** So many are open whenever a process is replaced. */
const OPEN = 25;
/** With one orchestrator of each version, so many end: what one began, the other goes on with. */
const SIDE_BY_SIDE = 20;
const END_MS = 240_000;
/** An order of docs/upgrade.md; back is the opposite one. */
const FORWARD: readonly Kind[] = ['orchestrator', 'api', 'bridge'];

const began = Date.now();
const say = (text: string) =>
  process.stdout.write(`${((Date.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${text}\n`);
const folder = mkdtempSync(join(tmpdir(), 'slipway-upgrade-'));
const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
const faults: string[] = [];

async function story(): Promise<void> {
  const old = checkOutOld(folder);
  const present = copyNew(folder, old);
  say(`the old version is ${BASE}, built; the new one has two migrations of the suite`);
  const env = await surroundings();
  say((await migrateBy(old, env)).split('\n').at(-1) ?? '');
  await sql(env['DATABASE_URL']!, LEFTOVER);

  const ports = [await freePort(), await freePort()];
  /** An operator takes an API out of the load balancer before it is stopped. */
  const isOut = new Set<number>();
  const balancer = new Balancer(
    ports.map((port) => () => (isOut.has(port) ? undefined : port)),
    (path, status) => {
      // A device goes on with its download where it broke off.
      if (status !== undefined || path.startsWith('/v1/'))
        faults.push(`${path} ${status === undefined ? 'broke off' : `was answered with ${status}`}`);
    },
  );
  const publicUrl = await balancer.listen();
  closing.push(() => balancer.close());
  const processes = made({ ...env, SLIPWAY_PUBLIC_URL: publicUrl }, ports);
  closing.push(() => processes.forEach((one) => one.kill()));
  for (const one of processes) await one.replace(old);
  say('six processes of the old version work');

  const operator = new Operator(publicUrl, env['SLIPWAY_ADMIN_TOKEN']!);
  const reached = { operator, endpoints: { mqtt: env['MQTT_URL']! } };
  const patience = { offer: 'PT2M', rest: 'PT2M' };
  const direct = new FleetInFlight(reached, 1, patience, { soak: 'PT5S', installMs: 2_000 });
  const rolled = new FleetInFlight(reached, 2, patience, { type: 'lamp', installMs: 2_000 });
  closing.push(() => Promise.all([direct.end(), rolled.end()]));
  await direct.register(Array.from({ length: WAVE }, (_, index) => (index % 10 === 0 ? 'resume' : 'good')));
  await rolled.register(Array.from({ length: ROLLOUT }, () => 'good' as const));
  const steady = new SteadyOperator(operator, direct.deviceTypeId);
  const wave = new SteadyWave(direct, END_MS);

  for (const [to, kinds] of [
    [present, FORWARD],
    [old, FORWARD.toReversed()],
  ] as const) {
    const rollout = new SteadyRollout(rolled, operator);
    await wave.keepOpen(OPEN);
    await rollout.start();
    if (to === present) say((await migrateBy(present, env)).split('\n').at(-1) ?? '');
    for (const kind of kinds) await roll(processes, kind, to, wave, isOut, ports);
    await wave.conclude();
    faults.push(...(await rollout.conclude(END_MS)));
    say(`all six are of the ${to.name} version: the installations and the rollout have ended`);
  }
  await steady.end();
  say(
    `${wave.waves} waves of ${WAVE}, ${steady.answered} requests of a steady operator; ${balancer.answered.join(' and ')} answered by the APIs`,
  );
  faults.push(...steady.faults, ...wave.faults);
  faults.push(
    ...(await atRest({ http: publicUrl, databaseUrl: env['DATABASE_URL']!, temporal: env['TEMPORAL_ADDRESS']! })),
  );
  for (const one of processes) await one.stop();
  faults.push(...processes.flatMap((one) => one.faults));
}

/** One after the other; of the bridges the one that stands by first. */
async function roll(
  processes: readonly RolledProcess[],
  kind: Kind,
  to: Version,
  wave: SteadyWave,
  isOut: Set<number>,
  ports: readonly number[],
): Promise<void> {
  const both = processes.filter((one) => one.kind === kind);
  const inOrder = kind === 'bridge' && both[0]!.leads ? both.toReversed() : both;
  for (const [index, one] of inOrder.entries()) {
    const open = await wave.keepOpen(OPEN);
    const port = kind === 'api' ? ports[both.indexOf(one)]! : 0;
    isOut.add(port);
    await one.replace(to);
    isOut.delete(port);
    say(`${one.title} took its place, with ${open} installations open`);
    if (kind === 'orchestrator' && index === 0) {
      await wave.keepOpen(OPEN);
      await wave.progress(SIDE_BY_SIDE);
    }
  }
}

function made(env: NodeJS.ProcessEnv, ports: readonly number[]): RolledProcess[] {
  const pair = (
    kind: Kind,
    ready: (index: number) => (said: (words: string) => boolean) => boolean | Promise<boolean>,
  ) =>
    [0, 1].map(
      (index) =>
        new RolledProcess(
          kind,
          `${kind} ${index + 1}`,
          kind === 'api' ? { ...env, SLIPWAY_HTTP_PORT: String(ports[index]) } : env,
          ready(index),
        ),
    );
  return [
    ...pair('orchestrator', () => (said) => said('runs installations')),
    ...pair('api', (index) => async () => (await fetch(`http://127.0.0.1:${ports[index]}/health/ready`)).ok),
    ...pair('bridge', () => (said) => said('stands by for') || said('connected to the broker')),
  ];
}

/** Everything that is not rolled. @returns the settings of all processes. */
async function surroundings(): Promise<NodeJS.ProcessEnv> {
  const log = createLog('upgrade', 'warn');
  const postgres = await TestedPostgres.start();
  closing.push(() => postgres.close());
  const broker = await TestedMosquitto.start();
  closing.push(() => broker.close());
  const { path } = await findTemporal({ log, cliPath: process.env['TEMPORAL_CLI_PATH'] });
  const temporal = await startTemporal({
    binary: path,
    dbFile: null,
    port: await freePort(),
    uiPort: null,
    namespace: 'default',
    log,
  });
  closing.push(() => temporal.stop());
  const own = Object.entries(process.env).filter(([name]) => !/^(SLIPWAY_|DATABASE_URL|MQTT_|TEMPORAL_)/.test(name));
  return {
    ...Object.fromEntries(own),
    SLIPWAY_DATA_DIR: join(folder, 'data'),
    SLIPWAY_ADMIN_TOKEN: randomUUID(),
    SLIPWAY_LOG_LEVEL: 'info',
    SLIPWAY_MQTT_ADMIN: 'dynsec',
    DATABASE_URL: postgres.url,
    TEMPORAL_ADDRESS: temporal.address,
    MQTT_URL: broker.url,
    MQTT_USERNAME: broker.service.username,
    MQTT_PASSWORD: broker.service.password,
  };
}

async function sql(databaseUrl: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(text).finally(() => client.end());
}

try {
  await story();
} catch (error) {
  faults.push(`the suite itself failed: ${(error as Error).stack}`);
} finally {
  for (const close of closing.toReversed()) await close();
}
for (const fault of faults.slice(0, 50)) say(`FAULT  ${fault}`);
say(faults.length === 0 ? 'rolled there and back: 0 faults' : `${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
