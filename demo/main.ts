import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFleet, type Fleet, type FleetDevice } from '../agent/simulator/fleet.js';
import { AllInOne } from './service/all-in-one.js';
import { readArguments, type Version } from './arguments.js';
import { gather, type RolloutFleet } from './rollout/rollout-fleet.js';
import { runInstallationsDemo } from './installations/installations-demo.js';
import { askForecast, besideEachOther, forecastSentence, tryOut, type Forecast } from './rollout/forecast.js';
import { isAsExpected, table, type Outcome } from './installations/outcome.js';
import { check, runRollout, untilOnline } from './rollout/rollout-demo.js';
import {
  backSentences,
  faultsOfCanary,
  faultsOfRollBack,
  faultsOfRollout,
  summaryOf,
  type Checked,
} from './rollout/verdict.js';
import { setUp } from './service/set-up.js';
import { canaryOf, type RolloutResource } from './rollout/resource.js';
import { beginScene, untilGatewaysOnline } from './fleet/scene.js';
import { registerSites } from './fleet/sites.js';
import { dashboardLines, sightLines, type Sight } from './terminal/dashboard.js';
import { seconds, wrapped } from './terminal/terminal.js';

/** Made anew at each run. */
const FOLDER = '.slipway-demo';

/** The late one comes well after its document, and well before its offer is given up. */
const TIMES = { late: 6_000 };
/** The fleet of the rollout comes up while the fifty install, and shall not be in their way. */
const BESIDE_INSTALLATIONS_PER_SECOND = 25;
const ALONE_PER_SECOND = 100;
/** Each speaks for a hundred devices at once. */
const GATEWAYS_PER_SECOND = 5;
/** Of the summary: that of the table. */
const COLUMNS = 80;
/** Faults that are printed: the rest is more of the same. */
const FAULTS_SHOWN = 5;

async function main(): Promise<number> {
  const { keep, seed, withInstallations, version, fleet: large } = readArguments(process.argv.slice(2));
  const dir = resolve(FOLDER);
  const service = new AllInOne(fileURLToPath(new URL('../workers/up.js', import.meta.url)), join(dir, 'data'));
  const fleets: Fleet[] = [];
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    const began = Date.now();
    await begin(service, dir);
    if (large !== undefined) {
      await playLargeFleet(service, dir, large, seed, fleets);
      await untilStopped(stop.signal);
      return 0;
    }
    for (const line of sightLines(service.endpoints.http, SIGHTS)) say(line);
    say('');
    const { operator } = service;
    const fleetOf = (devices: readonly FleetDevice[], connectPerSecond: number): Fleet => {
      const fleet = createFleet({
        devices,
        mqttUrl: service.endpoints.mqtt,
        dir: join(dir, 'fleet'),
        seed,
        times: TIMES,
        connectPerSecond,
      });
      fleets.push(fleet);
      return fleet;
    };
    const comeUp = async (): Promise<Scene> => {
      const rolloutFleet = await gather(operator, dir, version);
      const fleet = fleetOf(
        [...rolloutFleet.pilots, ...rolloutFleet.devices],
        withInstallations ? BESIDE_INSTALLATIONS_PER_SECOND : ALONE_PER_SECOND,
      );
      await Promise.all([fleet.start(), tryOut(operator, rolloutFleet)]);
      await untilOnline(operator, rolloutFleet);
      return { rolloutFleet, fleet, forecast: await askForecast(operator, rolloutFleet) };
    };
    const playFifty = async (): Promise<Outcome[]> => {
      const stage = await setUp(operator, dir, say);
      return runInstallationsDemo(operator, stage, fleetOf(stage.devices, ALONE_PER_SECOND), stop.signal);
    };
    const [outcomes, scene] = await Promise.all([withInstallations ? playFifty() : [], comeUp()]);
    const asExpected = outcomes.filter(isAsExpected).length;
    if (withInstallations) {
      say(`\n${table(outcomes)}\n`);
      say(
        `${asExpected} of ${outcomes.length} devices ended as their fault profile says, after ${seconds(Date.now() - began)}.\n`,
      );
    }
    const faults = await playRollout(service, scene, version, stop.signal);
    sayLinks(service, outcomes, scene.rolloutFleet, keep);
    if (keep) await untilStopped(stop.signal);
    return asExpected === outcomes.length && faults === 0 ? 0 : 1;
  } finally {
    await Promise.all(fleets.map((fleet) => fleet.stop()));
    await service.stop();
  }
}

/** What the stories show while they run. */
const SIGHTS: readonly Sight[] = [
  ['the fleet, what is on its way, and what the oldest waits for', '/'],
  ['devices as they come online and install', '/devices'],
  ['rollouts, once they begin', '/rollouts'],
];

/** Sites with gateways and lamps, and rollouts in every mood: nothing is judged, it is there to be looked at. */
async function playLargeFleet(
  { operator, endpoints }: AllInOne,
  dir: string,
  count: number,
  seed: number,
  fleets: Fleet[],
): Promise<void> {
  const began = Date.now();
  say(`Registers ${count.toLocaleString('en')} devices in sites of a gateway and its lamps …`);
  const sites = await registerSites(operator, count);
  say(`Registered after ${seconds(Date.now() - began)}; ${sites.gateways.length} gateways connect …`);
  const fleet = createFleet({
    devices: sites.gateways,
    mqttUrl: endpoints.mqtt,
    dir: join(dir, 'fleet'),
    seed,
    connectPerSecond: GATEWAYS_PER_SECOND,
  });
  fleets.push(fleet);
  await fleet.start();
  await untilGatewaysOnline(operator, sites);
  const sights = await beginScene(operator, sites, dir);
  say(`All is there after ${seconds(Date.now() - began)}.\n`);
  for (const line of sightLines(endpoints.http, sights)) say(line);
  say('\nAll stays up; Ctrl-C ends it.');
}

/** All that the rollout needs: its devices are there, and it has not begun. */
interface Scene {
  readonly rolloutFleet: RolloutFleet;
  readonly fleet: Fleet;
  readonly forecast: Forecast;
}

async function begin(service: AllInOne, dir: string): Promise<void> {
  const began = Date.now();
  say(`Starts PostgreSQL, Temporal, the broker, API, orchestrator and bridge in ${FOLDER} …`);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  await service.start();
  const found = service.output.split('\n').find((line) => line.startsWith('Temporal server'));
  say(`${found ? `${found}\n` : ''}Ready after ${seconds(Date.now() - began)}.\n`);
  for (const line of dashboardLines(service.endpoints.http, join(FOLDER, 'data', 'admin-token'))) say(line);
}

/** @returns how much of it is not as it should be. */
async function playRollout(
  { operator, endpoints }: AllInOne,
  { rolloutFleet, fleet, forecast }: Scene,
  version: Version,
  stop: AbortSignal,
): Promise<number> {
  const sizes = rolloutFleet.rollout.groups.map(({ name, size }) => `${name} (${size})`).join(', ');
  sayWrapped(
    `Now a rollout: "${rolloutFleet.rollout.name}" to ${rolloutFleet.devices.length} devices in three groups: ${sizes}.${STORIES[version].begins}`,
  );
  sayWrapped(forecastSentence(forecast, rolloutFleet));
  say(`Watch it: ${endpoints.http}/rollouts/${rolloutFleet.rollout.id}`);
  say('');
  const { rollout, mostInFlight } = await runRollout(operator, rolloutFleet, stop);
  const checked = await check(operator, fleet, rolloutFleet);
  say('');
  for (const sentence of summaryOf(rollout)) sayWrapped(sentence);
  say('');
  for (const line of besideEachOther(forecast, rollout, mostInFlight)) say(line);
  say('');
  const faults = STORIES[version].faults(rollout, checked);
  for (const fault of faults.slice(0, FAULTS_SHOWN)) say(`! ${fault}`);
  if (faults.length > FAULTS_SHOWN) say(`! and ${faults.length - FAULTS_SHOWN} more`);
  if (faults.length === 0) for (const sentence of STORIES[version].good(checked, rolloutFleet)) sayWrapped(sentence);
  return faults.length;
}

/** What each version of the demo is about, and how it is judged. */
const STORIES: Readonly<
  Record<
    Version,
    {
      readonly begins: string;
      readonly faults: (rollout: RolloutResource, all: readonly Checked[]) => string[];
      readonly good: (all: readonly Checked[], rolloutFleet: RolloutFleet) => string[];
    }
  >
> = {
  good: {
    begins: '',
    faults: faultsOfRollout,
    good: (all) => [`All ${all.length} devices ended as their fault profile says, and their disks say the same.`],
  },
  bootsNowhere: {
    begins: ' This version boots on none of them.',
    faults: faultsOfCanary,
    good: (_all, rolloutFleet) => [untouched(rolloutFleet)],
  },
  bootsOnSome: {
    begins: ' This version boots on some of them only, and a rule takes it back where 20 % fail.',
    faults: faultsOfRollBack,
    good: (all) => backSentences(all, 'lamp 1.0.0'),
  },
};

function untouched({ rollout, devices }: RolloutFleet): string {
  const { size } = canaryOf(rollout);
  return `Exactly the ${size} devices of the canary tried the bad version, and booted back into the old one; the other ${devices.length - size} hold the old version and have no installation.`;
}

/** A sentence that begins with spaces keeps them, and is indented further where it goes on. */
function sayWrapped(sentence: string): void {
  const indent = sentence.length - sentence.trimStart().length;
  say(
    wrapped(sentence.trimStart(), COLUMNS - 2 * indent)
      .map((line, index) => `${' '.repeat(index === 0 ? indent : 2 * indent)}${line}`)
      .join('\n'),
  );
}

function sayLinks(service: AllInOne, outcomes: readonly Outcome[], { rollout }: RolloutFleet, keep: boolean): void {
  const { http, temporalUi } = service.endpoints;
  const shown = outcomes.find((outcome) => outcome.profile === 'wrongHash') ?? outcomes[0];
  say(`\nThe rollout in the dashboard: ${http}/rollouts/${rollout.id}`);
  say(`The API describes itself: ${http}/docs`);
  if (shown) say(`One process in the Temporal UI: ${shown.installation.workflowUrl ?? temporalUi}`);
  say(
    `The rollout's process: ${rollout.workflowUrl ?? `${temporalUi}/namespaces/default/workflows/rollout-${rollout.id}`}`,
  );
  say(
    keep
      ? 'All stays up; Ctrl-C ends it.'
      : `To look at them: SLIPWAY_DATA_DIR=${join(FOLDER, 'data')} npm start brings the same data back at the same addresses (or run with --keep).`,
  );
}

function untilStopped(stop: AbortSignal): Promise<void> {
  return new Promise((done) => (stop.aborted ? done() : stop.addEventListener('abort', () => done(), { once: true })));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
