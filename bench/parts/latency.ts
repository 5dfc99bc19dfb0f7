import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../agent/simulator/random.js';
import { BareEngine } from '../engine/bare-engine.js';
import { Fleet } from '../fleet.js';
import { SLOT, type Login } from '../messages.js';
import type { Figure, Measured, Part } from '../part.js';
import { rush } from '../rush.js';
import { Stage } from '../stage.js';
import { percentile, spread } from '../statistics.js';
import { now } from '../wait.js';

const DEVICES = 600;
const IDLE_SAMPLES = 100;
const DOCUMENT_MS = 60_000;
const SEED = 1;

/** From the request of an installation to its document at a connected device. */
export const latency: Part = {
  title: 'From POST to the document at the device',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const devices = await stage.register(context.count(DEVICES, 40));
    const fleet = new Fleet(context);
    await fleet.connect(stage, devices, 'install');
    context.say('how many it can do at most');
    const { installedPerSecond } = await rush(stage, devices);
    context.say(`${installedPerSecond.toFixed(1)} installations/s at most; now one at a time`);
    const idle = await oneAtATime(stage, fleet, devices.slice(0, context.count(IDLE_SAMPLES, 15)));
    const rate = installedPerSecond / 2;
    context.say(`now ${rate.toFixed(1)} a second`);
    const half = await atRate(stage, fleet, devices, rate);
    const bare = await (await BareEngine.start(context, stage)).startLatencies(idle.length);
    const floor = percentile(bare, 0.95);
    return {
      figures: [
        figureOf('idle', idle, floor, 150),
        figureOf('at half of the maximum rate', half, floor, 500),
        { name: 'the rate of the latter', value: rate, unit: '/s' },
      ],
      method: [
        `${devices.length} devices are connected and install what they are offered. The time runs from before the request is sent until the device's process has the document; both read the same clock.`,
        'Idle: one at a time, the next when the one before is installed. Half: requests at random times (a Poisson process of half the rate at which a rush of all these devices was installed just before), whether or not the ones before are through.',
        "Floor: the bare Temporal SDK on the idle service, from the client's start of a workflow until its first local activity runs: the document can be no earlier.",
      ],
    };
  },
};

function figureOf(when: string, values: readonly number[], floor: number, target: number): Figure {
  return {
    name: `${when}, p95`,
    value: percentile(values, 0.95),
    unit: 'ms',
    beside: { name: 'bare start to first activity, idle, p95', value: floor },
    target: { of: 'value', is: 'at most', value: target },
    detail: spread(values, 'ms'),
  };
}

async function oneAtATime(stage: Stage, fleet: Fleet, devices: readonly Login[]): Promise<number[]> {
  const firmwareId = await stage.firmware();
  const latencies: number[] = [];
  for (const [done, device] of devices.entries()) {
    latencies.push(await request(stage, fleet, device, firmwareId));
    await stage.installed(firmwareId, done + 1, DOCUMENT_MS);
  }
  return latencies;
}

async function atRate(stage: Stage, fleet: Fleet, devices: readonly Login[], perSecond: number): Promise<number[]> {
  const firmwareId = await stage.firmware();
  const random = seededRandom(SEED, 'arrivals');
  const requests: Promise<number>[] = [];
  let next = now();
  for (const device of devices) {
    next += (-Math.log(1 - random()) * 1_000) / perSecond;
    await sleep(Math.max(0, next - now()));
    requests.push(request(stage, fleet, device, firmwareId));
  }
  const latencies = await Promise.all(requests);
  await stage.installed(firmwareId, devices.length, DOCUMENT_MS);
  return latencies;
}

/** @returns milliseconds. */
async function request(stage: Stage, fleet: Fleet, { deviceId }: Login, firmwareId: string): Promise<number> {
  const document = fleet.nextDocument(deviceId, DOCUMENT_MS);
  const began = now();
  const [arrived] = await Promise.all([document, stage.operator.install(deviceId, { firmwareId, slot: SLOT })]);
  return arrived - began;
}
