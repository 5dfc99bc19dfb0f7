import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFleet, type Fleet } from '../simulator/fleet.js';
import { AllInOne } from './all-in-one.js';
import type { InstallationResource, Operator } from './operator.js';
import { isAsExpected, table, type Outcome } from './outcome.js';
import { isOver, Picture, seconds, type Actor } from './picture.js';
import { setTheStage, type Member, type Stage } from './stage.js';

const USAGE = `npm run demo [-- --keep] [-- --seed N]
  --keep    stay up when all is over, until Ctrl-C
  --seed N  the same seed, the same misbehaviour (default 1)`;

/** Made anew at each run. */
const FOLDER = '.slipway-demo';
/** A round of the picture asks for all devices once. */
const LOOK_MS = 400;
/** Long past the slowest profile: then something is stuck, and the table says which. */
const DEADLINE_MS = 120_000;

/** The late one comes well after its document, and well before its offer is given up. */
const TIMES = { late: 6_000 };

interface Scheduled extends Member {
  readonly installationId: string;
}

async function main(): Promise<number> {
  const { keep, seed } = readArguments(process.argv.slice(2));
  const dir = resolve(FOLDER);
  const service = new AllInOne(fileURLToPath(new URL('../../workers/up.js', import.meta.url)), join(dir, 'data'));
  let fleet: Fleet | undefined;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    const began = Date.now();
    say(`Starts PostgreSQL, Temporal, the broker, API, orchestrator and bridge in ${FOLDER} …`);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    await service.start();
    const found = service.output.split('\n').find((line) => line.startsWith('Temporal server'));
    say(`${found ? `${found}\n` : ''}Ready after ${seconds(Date.now() - began)}.\n`);

    const stage = await setTheStage(service.operator, dir, say);
    fleet = createFleet({ devices: stage.devices, mqttUrl: service.endpoints.mqtt, dir: join(dir, 'fleet'), seed, times: TIMES });
    const said = new Map<string, string>();
    fleet.onEvent(({ device, phase, detail }) => said.set(device, detail === '' ? phase : `${phase}: ${detail}`));
    await fleet.start();
    const cast = await schedule(service.operator, stage);
    const ended = await watch(service.operator, cast, fleet, said, stop.signal);
    const outcomes = await judge(fleet, cast, ended, stage);
    say(`\n${table(outcomes)}\n`);
    const asExpected = outcomes.filter(isAsExpected).length;
    say(`${asExpected} of ${outcomes.length} devices ended as their fault profile says, after ${seconds(Date.now() - began)}.`);
    sayLinks(service, outcomes, keep);
    if (keep) await untilStopped(stop.signal);
    return asExpected === outcomes.length ? 0 : 1;
  } finally {
    await fleet?.stop();
    await service.stop();
  }
}

/** Short enough to be watched; everything else stays at its default. */
const TERMS = { timeouts: { offer: 'PT12S', download: 'PT30S', install: 'PT30S', confirm: 'PT15S' }, retry: { maxAttempts: 3, backoff: { first: 'PT1S' } } };

function schedule(operator: Operator, { members, firmwares }: Stage): Promise<Scheduled[]> {
  return Promise.all(members.map(async (member) => {
    const { id } = await operator.install(member.deviceId, { firmwareId: firmwares[member.slot].id, slot: member.slot, ...TERMS });
    return { ...member, installationId: id };
  }));
}

/** Until every installation has ended, or the deadline has come. @returns them in the order of the cast */
async function watch(operator: Operator, cast: readonly Scheduled[], fleet: Fleet, said: ReadonlyMap<string, string>, stop: AbortSignal): Promise<InstallationResource[]> {
  const picture = new Picture(process.stdout, Date.now());
  for (const end = Date.now() + DEADLINE_MS; ; await sleep(LOOK_MS)) {
    const found = new Map((await operator.installations(cast.length)).map((one) => [one.id, one]));
    const installations = cast.map((one) => found.get(one.installationId)!);
    picture.draw(cast.map((one, index): Actor => ({
      name: one.name, isChild: one.isChild, profile: fleet.device(one.deviceId).profile.name, installation: installations[index]!, said: said.get(one.deviceId) ?? '',
    })));
    if (installations.every(isOver) || Date.now() > end) return installations;
    if (stop.aborted) throw new Error('stopped before all was over');
  }
}

/** Holds each device's disk against what the service says: neither is believed alone. */
function judge(fleet: Fleet, cast: readonly Scheduled[], ended: readonly InstallationResource[], { firmwares }: Stage): Promise<Outcome[]> {
  return Promise.all(cast.map(async (one, index): Promise<Outcome> => {
    const installation = ended[index]!;
    const device = fleet.device(one.deviceId);
    const isNew = await device.holds(one.slot, firmwares[one.slot].sha256);
    const wrong = isNew === (installation.state === 'installed') ? undefined : `the service says ${installation.state}, but the slot's file is ${isNew ? 'the new one' : 'not the new one'}`;
    return { name: one.name, isChild: one.isChild, profile: device.profile.name, installation, expected: device.profile.expected, wrong };
  }));
}

function sayLinks(service: AllInOne, outcomes: readonly Outcome[], keep: boolean): void {
  const { http, temporalUi } = service.endpoints;
  const shown = outcomes.find((outcome) => outcome.profile === 'wrongHash') ?? outcomes[0];
  say(`\nThe API describes itself: ${http}/docs`);
  say(`One process in the Temporal UI: ${shown?.installation.workflowUrl ?? temporalUi}`);
  say(keep ? 'All stays up; Ctrl-C ends it.' : `To look at them: SLIPWAY_DATA_DIR=${join(FOLDER, 'data')} npm start brings the same data back at the same addresses (or run with --keep).`);
}

function untilStopped(stop: AbortSignal): Promise<void> {
  return new Promise((done) => (stop.aborted ? done() : stop.addEventListener('abort', () => done(), { once: true })));
}

function readArguments(given: readonly string[]): { keep: boolean; seed: number } {
  const rest = [...given];
  let keep = false;
  let seed = 1;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '--keep') keep = true;
    else if (name === '--seed') seed = Number(rest.shift());
    else throw new Error(`"${name}" is not known.\n${USAGE}`);
  }
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed takes a whole number.\n${USAGE}`);
  return { keep, seed };
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
