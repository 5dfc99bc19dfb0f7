import { setTimeout as sleep } from 'node:timers/promises';
import type { ProfileName } from '../../agent/simulator/profiles.js';
import { seededRandom } from '../../agent/simulator/random.js';
import { FleetInFlight, type Wave } from '../e2e/fleet-in-flight.js';
import { TestedAllInOne } from '../support/all-in-one.js';
import { readArguments } from './arguments.js';
import { Checker } from './checker.js';
import { FaultProxy } from './fault-proxy.js';

/** What is outside is not the suite's to kill: `npm run test:outside`. */
const inside = <T>(address: string, parts: T): T | undefined => (process.env[address] === undefined ? parts : undefined);
/** By its command line; undefined = the all in one itself, which the suite starts again. */
const VICTIMS: Readonly<Record<string, string | undefined>> = {
  orchestrator: 'workers/orchestrator.js',
  bridge: 'workers/bridge.js',
  API: 'api/main.js',
  ...inside('MQTT_URL', { broker: 'workers/broker.js' }),
  ...inside('TEMPORAL_ADDRESS', { Temporal: 'temporal server start-dev' }),
  ...inside('DATABASE_URL', { PostgreSQL: 'postgres -D' }),
  'all in one': undefined,
};
const MIX: readonly (readonly [ProfileName, number])[] = [['good', 10], ['slow', 4], ['resume', 2], ['flapping', 1], ['crashing', 1], ['duplicating', 1], ['rejecting', 1]];
const KILL_EVERY_MS = { least: 700, most: 3_000 };
const OUTAGE_MS = 60_000;
const WAVE_MS = 180_000;

const { kills, devices, seed, outages } = readArguments(process.argv.slice(2));
/** Of its own: the network asks whenever something passes, and would make another sequence of kills each time. */
const random = seededRandom(seed, 'kills');
const runAgain = `npm run test:crash -- --kills ${kills} --devices ${devices} --seed ${seed}${outages ? ' --outages' : ''}`;
const service = new TestedAllInOne();
const fleet = new FleetInFlight(service, seed, { offer: 'PT2M', rest: 'PT2M' });
/** Kept over restarts, also while the file that names it is written anew. */
let broker: { host: string; port: number } | undefined;
const proxy = new FaultProxy(() => {
  broker ??= { host: new URL(service.endpoints.mqtt).hostname, port: Number(new URL(service.endpoints.mqtt).port) };
  return broker;
}, { duplicate: 0.1, delay: 0.1, reorder: 0.1, cut: 0.01 }, seededRandom(seed, 'network'));
const checker = new Checker(service, fleet, proxy);
const faults: string[] = [];
const began = Date.now();
const say = (text: string) => process.stdout.write(`${((Date.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${text}\n`);
const pidOf = (command: string) => service.processes().find((one) => one.command.includes(command))?.pid;

async function kill(name: string): Promise<void> {
  const command = VICTIMS[name];
  if (command === undefined) {
    await service.kill();
    await service.start();
    return;
  }
  const pid = pidOf(command);
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
}

/** One, or two at the same moment. @returns how many. */
async function killSome(left: number): Promise<number> {
  const names = Object.keys(VICTIMS);
  const first = names[Math.floor(random() * names.length)]!;
  const second = names[Math.floor(random() * (names.length - 1))]!; // the all in one dies alone: it takes the others with it
  const both = left > 1 && random() < 0.3 && first !== second && VICTIMS[first] !== undefined;
  say(`kill -9 ${both ? `${first} and ${second}` : first}`);
  await Promise.all((both ? [first, second] : [first]).map(kill));
  return both ? 2 : 1;
}

/** A wave of installations, and kills for as long as some of it is under way. @returns how many kills it took. */
async function wave(most: number): Promise<number> {
  const scheduled = await insist(() => fleet.schedule());
  await fleet.inFlight(scheduled, 0.3);
  let killed = 0;
  while (killed < most && (await open(scheduled)) > 0) {
    killed += await killSome(most - killed);
    await sleep(KILL_EVERY_MS.least + random() * (KILL_EVERY_MS.most - KILL_EVERY_MS.least));
  }
  await conclude(scheduled);
  return killed;
}

async function conclude(scheduled: Wave): Promise<void> {
  const found = await checker.afterWave(scheduled, WAVE_MS);
  say(`${scheduled.installations.length} installations of ${scheduled.version} ended${found.length === 0 ? ' as their devices do' : `, with ${found.length} faults`}`);
  faults.push(...found);
}

const open = async (scheduled: Wave) => (await fleet.look(scheduled)).filter((one) => !(one.completedAt ?? one.rejectedAt)).length;

/** The API may be down at the moment: what was not acknowledged was not asked for, and is asked for again. */
async function insist<T>(what: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + 60_000; ; await sleep(300)) {
    try {
      return await what();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** Away for a minute: the API answers meanwhile (PostgreSQL: with 503), and everything has caught up a minute after. */
async function outage(name: 'PostgreSQL' | 'Temporal' | 'broker'): Promise<void> {
  const pid = pidOf(VICTIMS[name]!)!;
  say(`${name} is away for ${OUTAGE_MS / 1_000} s`);
  process.kill(pid, 'SIGSTOP');
  const end = Date.now() + OUTAGE_MS;
  const scheduled = name === 'PostgreSQL' ? undefined : await fleet.schedule();
  while (Date.now() < end) {
    const { status } = await fetch(`${service.endpoints.http}/health/live`, { signal: AbortSignal.timeout(5_000) });
    if (status !== 200) faults.push(`while ${name} was away, /health/live answered ${status}`);
    await sleep(2_000);
  }
  process.kill(pid, 'SIGCONT');
  const back = Date.now();
  await conclude(scheduled ?? (await insist(() => fleet.schedule())));
  if (Date.now() - back > 60_000) faults.push(`${Math.round((Date.now() - back) / 1_000)} s after ${name} came back, not everything had caught up`);
}

say(`seed ${seed}; to run it again: ${runAgain}`);
try {
  await service.start();
  const share = MIX.flatMap(([profile, count]) => Array<ProfileName>(count).fill(profile));
  await fleet.register(Array.from({ length: devices }, (_, index) => share[index % share.length]!), await proxy.listen());
  for (let left = kills; left > 0; ) left -= await wave(left);
  if (outages) for (const name of ['PostgreSQL', 'Temporal', 'broker'] as const) await outage(name);
  faults.push(...(await checker.atRest()));
} catch (error) {
  faults.push(`the suite itself failed: ${(error as Error).stack}`);
} finally {
  await fleet.end();
  await proxy.close();
  await service.stop();
}
faults.push(...checker.afterStop());
for (const fault of faults.slice(0, 50)) say(`FAULT  ${fault}`);
say(faults.length === 0 ? `${kills} kills, and nothing was lost, installed twice or left behind (seed ${seed})` : `${faults.length} faults; to run it again: ${runAgain}`);
if (faults.length === 0) service.remove();
else say(`the data folder is kept: ${service.dataDir}`);
process.exitCode = faults.length === 0 ? 0 : 1;
