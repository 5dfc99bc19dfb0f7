import { setTimeout as sleep } from 'node:timers/promises';
import { fill } from '../lists/fill.js';
import { SLOT } from '../messages.js';
import type { Context, Figure, Measured, Part } from '../part.js';
import { measureMillion, type Million } from '../rollout/million.js';
import { Stage } from '../stage.js';
import { percentile, spread } from '../statistics.js';
import { now } from '../wait.js';

const DEVICES = 100_000;
const IDLE_MS = 10_000;
const MILLION = 1_000_000;

/** What a forecast takes, and whether the API still answers meanwhile. */
export const forecast: Part = {
  title: 'A forecast, and the API meanwhile',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const rows = context.count(DEVICES, 2_000);
    context.say(`writes ${rows} devices`);
    const { rareTypeId } = await fill(stage, rows);
    const firmwareId = await stage.firmware();
    await stage.operator.associate(rareTypeId, SLOT, firmwareId);
    const body = {
      name: 'bench',
      steps: [{ slot: SLOT, firmwareId }],
      targets: { filter: 'tag==all' },
      pace: { maxInFlight: 1_000, offline: 'offer' },
    };
    const idle = await timesUntil(stage, sleep(context.count(IDLE_MS, 1_000)));
    const began = now();
    const asked = stage.operator
      .call<{ devices: number; runs: number }>('POST', '/v1/rollout-simulations', body)
      .then((found) => ({ found, ms: now() - began }));
    const meanwhile = await timesUntil(stage, asked);
    const { found, ms } = await asked;
    const size = found.devices.toLocaleString('en-US');
    return {
      figures: [
        {
          name: `a forecast of ${size} devices`,
          value: ms / 1_000,
          unit: 's',
          target: { of: 'value', is: 'at most', value: 10 },
          detail: `${found.runs} runs`,
        },
        {
          name: 'meanwhile: one device type, p95',
          value: percentile(meanwhile, 0.95),
          unit: 'ms',
          beside: { name: 'idle', value: percentile(idle, 0.95) },
          target: { of: 'value', is: 'at most', value: 50 },
          detail: spread(meanwhile, 'ms'),
        },
        ...(await million(context, stage)),
      ],
      method: [
        `${rows} devices as rows; a request over HTTP from its sending to its answer, which reads the model of the fleet and simulates in a thread of the API.`,
        'Meanwhile another client asks for one device type, again and again with 10 ms between; the same before, with nothing else to do.',
        ...(context.full
          ? [
              "A million: one simulated rollout in the bench's own process, and a rollout by a filter over rows of devices in a database of its own, from its creation until its targets are in their groups. Memory is that of the process at most.",
            ]
          : []),
      ],
    };
  },
};

async function timesUntil({ operator, typeId }: Stage, something: Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  let done = false;
  const end = () => (done = true);
  something.then(end, end);
  while (!done) {
    const began = now();
    await operator.call('GET', `/v1/device-types/${typeId}`);
    times.push(now() - began);
    await sleep(10);
  }
  return times;
}

async function million(context: Context, stage: Stage): Promise<Figure[]> {
  if (!context.full) return [];
  const devices = context.count(MILLION, 5_000);
  context.say(`plans and takes down ${devices} targets`);
  const { looks, plannedMs, rssBytes, createdMs, materialisedMs }: Million = await measureMillion(
    context,
    stage,
    devices,
  );
  const size = devices.toLocaleString('en-US');
  return [
    {
      name: `the planner, a whole rollout to ${size} devices`,
      value: plannedMs / 1_000,
      unit: 's',
      detail: `${looks} looks`,
    },
    { name: 'memory of the process that planned it, at most', value: rssBytes / 1_048_576, unit: 'MiB' },
    { name: `a rollout to ${size} devices created`, value: createdMs / 1_000, unit: 's' },
    { name: 'its targets snapshotted and put into their groups', value: materialisedMs / 1_000, unit: 's' },
  ];
}
