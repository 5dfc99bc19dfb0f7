import { outsideBroker } from '../../test/outside/settings.js';
import { TestedMosquitto } from '../../test/support/mosquitto.js';
import { Fleet } from '../fleet.js';
import type { Login } from '../messages.js';
import type { Figure, Measured, Part } from '../part.js';
import { Stage } from '../stage.js';
import { rounded } from '../statistics.js';
import { BridgeConnections } from '../storm/bridge-connections.js';
import { hasMosquitto } from '../storm/mosquitto.js';
import { now, until } from '../wait.js';

const WAVE = 400;
const WAVES = 2;
const CONNECTED = 1_000;
const WAVE_TARGET_S = 60;
const GREETED_TARGET_S = 15;
/** What is not over by then never is. */
const LIMIT_MS = 180_000;

/** One `kill -9`, in seconds since it. */
interface Kill {
  readonly listening: number;
  readonly half: number;
  readonly all: number;
}

/** A fleet on Debian's mosquitto, in the configuration that Slipway ships. */
export const mosquitto: Part = {
  title: "A fleet on Debian's mosquitto",
  async run(context): Promise<Measured> {
    if (!hasMosquitto()) return { figures: [], method: [], notes: ['mosquitto is not installed.'] };
    const broker = await TestedMosquitto.start();
    context.atEnd(() => broker.close());
    const bridge = new BridgeConnections(broker.service.username);
    broker.heard = (text) => bridge.take(text);
    const stage = await Stage.open(context, outsideBroker(broker));
    const fleet = new Fleet(context);
    const wave = await letIn(stage, context.count(WAVE, 20));
    await fleet.connect(stage, wave, 'install');
    context.say(`${wave.length} devices are connected; ${WAVES} waves`);
    const before = bridge.begun;
    const seconds: number[] = [];
    for (let n = 0; n < WAVES; n += 1) seconds.push(await install(stage, wave));
    const disconnects = bridge.begun - before;
    const faults = [...fleet.faults];
    const more = await letIn(stage, context.count(CONNECTED, 50) - wave.length);
    await fleet.connect(stage, more, 'install');
    const count = wave.length + more.length;
    context.say(`${count} devices are connected; kill -9 of mosquitto`);
    const kills = [await kill(broker, fleet, 'as it is'), await kill(broker, fleet, 'without its file')];
    const after = await install(stage, wave);
    return {
      figures: figuresOf(wave.length, seconds, disconnects, count, kills, after),
      method: methodOf(wave.length, count),
      notes:
        faults.length === 0 ? [] : [`${faults.length} faults of devices during the waves, the first: ${faults[0]}`],
    };
  },
};

/** Registered, with a password that mosquitto knows: it is told of each in turn. */
async function letIn(stage: Stage, count: number): Promise<Login[]> {
  const devices = await stage.register(count);
  let left = 0;
  await until(
    'mosquitto knows every login',
    async () => {
      const { rows } = await stage.sql.query<{ left: number }>(
        `SELECT count(*)::integer AS left FROM outbox WHERE receiver = 'credential'`,
      );
      left = rows[0]?.left ?? 0;
      return left === 0;
    },
    LIMIT_MS,
    () => `${left} are left`,
  );
  return devices;
}

/** One installation on each, all at once. @returns seconds. @throws where one does not end as installed. */
async function install(stage: Stage, devices: readonly Login[]): Promise<number> {
  const firmwareId = await stage.firmware();
  const began = now();
  await stage.install(devices, firmwareId);
  await stage.installed(firmwareId, devices.length, LIMIT_MS);
  return (now() - began) / 1_000;
}

/** `without its file`: it comes back with no session, nothing queued and nothing retained; its logins it has. */
async function kill(broker: TestedMosquitto, fleet: Fleet, how: 'as it is' | 'without its file'): Promise<Kill> {
  const greeted = fleet.greetedAnew(LIMIT_MS);
  const began = now();
  await broker.stop('SIGKILL');
  if (how === 'without its file') broker.forget('messages');
  await broker.start();
  const listening = now();
  const { half, all } = await greeted;
  const since = (at: number) => (at - began) / 1_000;
  return { listening: since(listening), half: since(half), all: since(all) };
}

function figuresOf(
  size: number,
  waves: readonly number[],
  disconnects: number,
  connected: number,
  kills: readonly Kill[],
  after: number,
): Figure[] {
  const atMost = (value: number) => ({ of: 'value', is: 'at most', value }) as const;
  const [asItIs, withoutFile] = kills.map(({ listening, half, all }) => ({
    value: all,
    unit: 's',
    target: atMost(GREETED_TARGET_S),
    detail: `mosquitto listened after ${rounded(listening)} s, half of the devices were greeted after ${rounded(half)} s`,
  }));
  return [
    ...waves.map((value, n) => ({
      name: `wave ${n + 1}: ${size} installations at once, until all are installed`,
      value,
      unit: 's',
      target: atMost(WAVE_TARGET_S),
    })),
    { name: 'the bridge lost its connection during the waves', value: disconnects, unit: 'times', target: atMost(0) },
    { name: `kill -9 of mosquitto, until all ${connected} are greeted again`, ...asItIs! },
    { name: 'the same, and all that it had saved but the logins is lost', ...withoutFile! },
    { name: `then ${size} installations at once`, value: after, unit: 's', target: atMost(WAVE_TARGET_S) },
  ];
}

function methodOf(size: number, connected: number): string[] {
  return [
    `Debian's mosquitto in the configuration that Slipway makes for it (docs/mosquitto.md): dynamic security, persistence, saved once a minute. The all in one with \`MQTT_URL\` and \`SLIPWAY_MQTT_ADMIN=dynsec\`; Temporal and PostgreSQL are its own.`,
    `${size} simulated devices as in the first part, in one process. ${WAVES} waves, one after the other: one installation on each, 16 requests at a time, from the first request to the last \`installed\` in PostgreSQL. A connection of the bridge is a line of mosquitto's log.`,
    `Then ${connected} devices are connected. Seconds from the \`kill -9\` until each has the receipt for a new hello; mosquitto is started again at once. A device connects again after 1 s, says hello once for each connection, and again only where the service asks for it.`,
  ];
}
