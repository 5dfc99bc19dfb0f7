import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFleet, type Fleet } from '../simulator/fleet.js';
import { PROFILES } from '../simulator/profiles.js';
import { AllInOne } from './all-in-one.js';
import { CAST, type Player } from './cast.js';
import type { InstallationResource, Operator } from './operator.js';
import { isAsExpected, table, type Outcome } from './outcome.js';
import { isOver, Picture, seconds, type Actor } from './picture.js';

const USAGE = `npm run demo [-- --keep] [-- --seed N]
  --keep    stay up when all is over, until Ctrl-C
  --seed N  the same seed, the same misbehaviour (default 1)`;

/** Made anew at each run. */
const FOLDER = '.slipway-demo';
const FIRMWARE_BYTES = 20 * 1024 * 1024;
/** A round of the picture asks for all devices once. */
const LOOK_MS = 400;
/** Long past the slowest profile: then something is stuck, and the table says which. */
const DEADLINE_MS = 120_000;
/** Short enough to be watched; everything else stays at its default. */
const TERMS = { timeouts: { offer: 'PT12S', download: 'PT30S', install: 'PT30S', confirm: 'PT15S' }, retry: { maxAttempts: 3, backoff: { first: 'PT1S' } } };

interface Cast extends Player {
  readonly deviceId: string;
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

    const stage = await setTheStage(service, dir);
    fleet = createFleet({ devices: stage.devices, mqttUrl: service.endpoints.mqtt, dir: join(dir, 'fleet'), seed });
    const said = new Map<string, string>();
    fleet.onEvent(({ device, phase, detail }) => said.set(device, detail === '' ? phase : `${phase}: ${detail}`));
    await fleet.start();
    const cast = await schedule(service.operator, stage);
    const ended = await watch(service.operator, cast, said, stop.signal);
    const outcomes = await judge(fleet, cast, ended, stage.digests);
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

interface Stage {
  readonly players: readonly (Player & { deviceId: string })[];
  readonly devices: Parameters<typeof createFleet>[0]['devices'];
  readonly firmwares: Readonly<Record<string, string>>;
  readonly digests: Readonly<Record<string, string>>;
}

/** Uploads a file per slot, registers the sample type with its slots widened, and twenty devices with a password each. */
async function setTheStage(service: AllInOne, dir: string): Promise<Stage> {
  const { operator } = service;
  const sample = JSON.parse(readFileSync(new URL('./extended-osr-light-switch.json', import.meta.url), 'utf8')) as { slots: object };
  await operator.deviceType(sample);
  const typeId = await operator.deviceType({ ...sample, slots: { ...sample.slots, bootloader: { name: 'Bootloader' }, configuration: { name: 'Configuration' } } });
  const firmwares: Record<string, string> = {};
  const digests: Record<string, string> = {};
  for (const [slot, size] of [['firmware', FIRMWARE_BYTES], ['bootloader', 256 * 1024], ['configuration', 4 * 1024]] as const) {
    const bytes = randomBytes(size);
    const file = join(dir, `${slot}-2.0.0.bin`);
    writeFileSync(file, bytes);
    digests[slot] = createHash('sha256').update(bytes).digest('hex');
    firmwares[slot] = await operator.firmware(`switch ${slot}`, '2.0.0', file);
    await operator.associate(typeId, slot, firmwares[slot]);
    say(`Uploaded ${slot} 2.0.0, ${(size / 1024 / 1024).toFixed(1)} MiB, sha256 ${digests[slot].slice(0, 16)}…`);
  }
  const players = [];
  const devices = [];
  for (const player of CAST) {
    const deviceId = await operator.device({ name: player.name, deviceTypeId: typeId, tags: ['demo'] });
    const { username, password } = await operator.password(deviceId);
    players.push({ ...player, deviceId });
    devices.push({ tenant: 'default', id: deviceId, username, password, profile: player.profile, slots: { firmware: '1.0.0', bootloader: '1.0.0', configuration: '1.0.0' } });
  }
  say(`Registered "Extended OSR Light switch" and ${players.length} devices.\n`);
  return { players, devices, firmwares, digests };
}

async function schedule(operator: Operator, stage: Stage): Promise<Cast[]> {
  return Promise.all(stage.players.map(async (player) => {
    const { id } = await operator.install(player.deviceId, { firmwareId: stage.firmwares[player.slot]!, slot: player.slot, ...TERMS });
    return { ...player, installationId: id };
  }));
}

/** Until every installation has ended, or the deadline has come. */
async function watch(operator: Operator, cast: readonly Cast[], said: ReadonlyMap<string, string>, stop: AbortSignal): Promise<InstallationResource[]> {
  const picture = new Picture(process.stdout, Date.now());
  for (const end = Date.now() + DEADLINE_MS; ; await sleep(LOOK_MS)) {
    const installations = await Promise.all(cast.map((one) => operator.installation(one.deviceId, one.installationId)));
    picture.draw(cast.map((one, index): Actor => ({ name: one.name, profile: one.profile, installation: installations[index]!, said: said.get(one.deviceId) ?? '' })));
    if (installations.every(isOver) || Date.now() > end) return installations;
    if (stop.aborted) throw new Error('stopped before all was over');
  }
}

/** Holds each device's disk against what the service says: neither is believed alone. */
async function judge(fleet: Fleet, cast: readonly Cast[], ended: readonly InstallationResource[], digests: Stage['digests']): Promise<Outcome[]> {
  return Promise.all(cast.map(async (one, index): Promise<Outcome> => {
    const installation = ended[index]!;
    const device = fleet.device(one.deviceId);
    const isNew = await device.holds(one.slot, digests[one.slot]!);
    const wrong = isNew === (installation.state === 'installed') ? undefined : `the service says ${installation.state}, but the slot's file is ${isNew ? 'the new one' : 'not the new one'}`;
    return { name: one.name, profile: one.profile, installation, expected: PROFILES[one.profile].expected, wrong };
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
