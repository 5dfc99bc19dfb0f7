import { setTimeout as sleep } from 'node:timers/promises';
import type { ProfileName } from '../../agent/simulator/profiles.js';
import { seededRandom } from '../../agent/simulator/random.js';
import { FleetInFlight, type Wave } from '../e2e/fleet-in-flight.js';
import { TestedAllInOne } from '../support/all-in-one.js';
import { readArguments } from './arguments.js';
import { Balancer } from './balancer.js';
import { Checker } from './checker.js';
import { FaultProxy } from './fault-proxy.js';
import { SECOND_PARTS, SecondHalf } from './second-half.js';

/** What is outside is not the suite's to kill: `npm run test:outside`. */
const inside = <T>(address: string, parts: T): T | undefined =>
  process.env[address] === undefined ? parts : undefined;
/** By its command line. */
const PARTS: Readonly<Record<string, string>> = {
  orchestrator: 'workers/orchestrator.js',
  bridge: 'workers/bridge.js',
  API: 'workers/api.js',
  ...inside('MQTT_URL', { broker: 'workers/broker.js' }),
  ...inside('TEMPORAL_ADDRESS', { Temporal: 'temporal server start-dev' }),
  ...inside('DATABASE_URL', { PostgreSQL: 'postgres -D' }),
};
/** The suite starts it again. */
const WHOLE = 'all in one';
const MIX: readonly (readonly [ProfileName, number])[] = [
  ['good', 10],
  ['slow', 4],
  ['resume', 2],
  ['flapping', 1],
  ['crashing', 1],
  ['duplicating', 1],
  ['rejecting', 1],
];
const KILL_EVERY_MS = { least: 700, most: 3_000 };
const OUTAGE_MS = 60_000;
const WAVE_MS = 180_000;

const { kills, devices, seed, outages, pairs } = readArguments(process.argv.slice(2));
/** Of its own: the network asks whenever something passes, and would make another sequence of kills each time. */
const random = seededRandom(seed, 'kills');
const runAgain = `npm run test:crash -- --kills ${kills} --devices ${devices} --seed ${seed}${outages ? ' --outages' : ''}${pairs ? ' --pairs' : ''}`;
const balancer: Balancer = new Balancer([() => kept().http, () => second?.port]);
/** Where operators and devices find the API: with pairs before both, and without at the all in one's. */
const apis: string | undefined = pairs ? await balancer.listen() : undefined;
const service = new TestedAllInOne(undefined, apis === undefined ? {} : { SLIPWAY_PUBLIC_URL: apis });
const second: SecondHalf | undefined = apis === undefined ? undefined : new SecondHalf(service.dataDir, apis);
const reached = {
  get operator() {
    return apis === undefined ? service.operator : service.operatorAt(apis);
  },
  get endpoints() {
    return service.endpoints;
  },
};
const fleet = new FleetInFlight(reached, seed, { offer: 'PT2M', rest: 'PT2M' });
const victims: Readonly<Record<string, () => number | undefined>> = {
  ...Object.fromEntries(Object.entries(PARTS).map(([name, command]) => [name, () => pidOf(command)])),
  ...(second ? Object.fromEntries(SECOND_PARTS.map((name) => [`second ${name}`, () => second.pidOf(name)])) : {}),
};
let addresses: { http: number; mqtt: { host: string; port: number } } | undefined;
/** Of the all in one: the same after each restart, also while the file that names them is written anew. */
function kept(): NonNullable<typeof addresses> {
  if (addresses) return addresses;
  const [http, mqtt] = [new URL(service.endpoints.http), new URL(service.endpoints.mqtt)];
  return (addresses = { http: Number(http.port), mqtt: { host: mqtt.hostname, port: Number(mqtt.port) } });
}
const proxy = new FaultProxy(
  () => kept().mqtt,
  { duplicate: 0.1, delay: 0.1, reorder: 0.1, cut: 0.01 },
  seededRandom(seed, 'network'),
);
const checker = new Checker(service, fleet, proxy);
const faults: string[] = [];
const began = Date.now();
const say = (text: string) =>
  process.stdout.write(`${((Date.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${text}\n`);
const pidOf = (command: string) =>
  service.processes().find((one) => one.command.includes(command) && !second?.has(one.pid))?.pid;

async function kill(name: string): Promise<void> {
  if (name === WHOLE) {
    await service.kill();
    await service.start();
    return;
  }
  const pid = victims[name]!();
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
}

/** One, or two at the same moment. @returns how many. */
async function killSome(left: number): Promise<number> {
  const names = [...Object.keys(victims), WHOLE];
  const first = names[Math.floor(random() * names.length)]!;
  // the all in one dies alone: it takes the others with it
  const other = names[Math.floor(random() * (names.length - 1))]!;
  const both = left > 1 && random() < 0.3 && first !== other && first !== WHOLE;
  say(`kill -9 ${both ? `${first} and ${other}` : first}`);
  await Promise.all((both ? [first, other] : [first]).map(kill));
  return both ? 2 : 1;
}

/** A wave of installations, and kills for as long as some of it is under way. @returns how many kills it took. */
async function wave(most: number): Promise<number> {
  const scheduled = await fleet.schedule();
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
  say(
    `${scheduled.installations.length} installations of ${scheduled.version} ended${found.length === 0 ? ' as their devices do' : `, with ${found.length} faults`}`,
  );
  faults.push(...found);
}

const open = async (scheduled: Wave) =>
  (await fleet.look(scheduled)).filter((one) => !(one.completedAt ?? one.rejectedAt)).length;

/** Away for a minute: the API answers meanwhile (PostgreSQL: with 503), and everything has caught up a minute after. */
async function outage(name: 'PostgreSQL' | 'Temporal' | 'broker'): Promise<void> {
  const pid = victims[name]!()!;
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
  await conclude(scheduled ?? (await fleet.schedule()));
  if (Date.now() - back > 60_000)
    faults.push(`${Math.round((Date.now() - back) / 1_000)} s after ${name} came back, not everything had caught up`);
}

say(`seed ${seed}; to run it again: ${runAgain}`);
// Cut by hand: nothing stays behind but the data folder.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    say(`cut by ${signal}; the data folder is kept: ${service.dataDir}`);
    void Promise.allSettled([second?.stop(), service.stop()]).finally(() => {
      // Where the all in one itself had just been killed, its parts wait for the next one.
      for (const { pid } of service.processes()) process.kill(pid, 'SIGKILL');
      process.exit(1);
    });
  });
try {
  await service.start();
  await second?.start(service.endpoints);
  const share = MIX.flatMap(([profile, count]) => Array<ProfileName>(count).fill(profile));
  await fleet.register(
    Array.from({ length: devices }, (_, index) => share[index % share.length]!),
    await proxy.listen(),
  );
  for (let left = kills; left > 0;) left -= await wave(left);
  if (outages) for (const name of ['PostgreSQL', 'Temporal', 'broker'] as const) await outage(name);
  faults.push(...(await checker.atRest()));
  if (second) {
    const [one, other] = balancer.answered;
    say(
      `of the pairs, one API answered ${one} requests and the other ${other}; the second bridge led ${second.terms} times`,
    );
    if (!one || !other) faults.push('one API of the pair answered nothing');
  }
} catch (error) {
  faults.push(`the suite itself failed: ${(error as Error).stack}`);
} finally {
  await fleet.end();
  await proxy.close();
  // Before the parts that it cannot do without.
  await second?.stop();
  await service.stop();
  await (apis === undefined ? undefined : balancer.close());
}
faults.push(...checker.afterStop());
for (const fault of faults.slice(0, 50)) say(`FAULT  ${fault}`);
say(
  faults.length === 0
    ? `${kills} kills, and nothing was lost, installed twice or left behind (seed ${seed})`
    : `${faults.length} faults; to run it again: ${runAgain}`,
);
if (faults.length === 0) service.remove();
else say(`the data folder is kept: ${service.dataDir}`);
process.exitCode = faults.length === 0 ? 0 : 1;
