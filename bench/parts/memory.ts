import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet } from '../fleet.js';
import type { Login } from '../messages.js';
import type { Figure, Measured, Part } from '../part.js';
import { Stage } from '../stage.js';
import { OWN_PARTS, togetherMb, type Use } from '../usage.js';
import { until } from '../wait.js';

const DEVICES = 2_000;
const MANY = 20_000;
/** V8 gives back what a rush left behind once a process has been quiet for a while: measured, within half a minute. */
const SETTLE_MS = 30_000;

type Usage = ReadonlyMap<string, Use>;

/** What each process holds in memory: at start, with devices connected, with installations open. */
export const memory: Part = {
  title: 'Memory',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const settled = async (): Promise<Usage> => {
      await sleep(SETTLE_MS);
      return stage.usage();
    };
    const atStart = await settled();
    const devices = await stage.register(context.count(DEVICES, 50));
    const fleet = new Fleet(context);
    await fleet.connect(stage, devices, 'ignore');
    const connected = await settled();
    context.say(`${devices.length} devices are connected`);
    const firmwareId = await stage.firmware();
    await offered(stage, devices, firmwareId, devices.length);
    const rushed = stage.usage();
    const open = await settled();
    const figures = [
      ...figuresOf('at start', atStart),
      ...figuresOf(`${devices.length} devices connected`, connected),
      ...figuresOf(`right after the rush to ${devices.length} open installations`, rushed).slice(0, 1),
      ...figuresOf(`and ${devices.length} installations open`, open, 600),
      ...growth(connected, open, devices.length),
    ];
    if (context.full) {
      const many = await stage.register(context.count(MANY, 500) - devices.length);
      await offered(stage, many, firmwareId, devices.length + many.length);
      const most = await settled();
      figures.push(
        ...figuresOf(`${devices.length + many.length} installations open`, most),
        ...growth(open, most, many.length),
      );
    }
    return { figures, method: methodOf(devices.length) };
  },
};

/** Waits until each was offered to its device, which does not answer. */
async function offered(stage: Stage, devices: readonly Login[], firmwareId: string, inAll: number): Promise<void> {
  await stage.install(devices, firmwareId);
  let states: Readonly<Record<string, number>> = {};
  const look = async () => ((states = await stage.states(firmwareId))['delivered'] ?? 0) >= inAll;
  await until('every installation was offered', look, 60_000 + devices.length * 200, () => JSON.stringify(states));
}

function figuresOf(when: string, usage: Usage, target?: number): Figure[] {
  const each = OWN_PARTS.reduce((sum, name) => sum + (usage.get(name)?.memoryMb ?? 0), 0);
  return [
    {
      name: `${when}: Slipway's own processes together`,
      value: togetherMb(usage),
      unit: 'MB',
      detail: `${Math.round(each)} with Node's code counted in each`,
      ...(target === undefined ? {} : { target: { of: 'value', is: 'at most', value: target } as const }),
    },
    ...[...usage].map(([name, { memoryMb }]): Figure => ({ name: `${when}: ${name}`, value: memoryMb, unit: 'MB' })),
  ];
}

function growth(before: Usage, after: Usage, count: number): Figure[] {
  return [...after].map(([name, { memoryMb }]): Figure => ({
    name: `each open installation: ${name}`,
    value: ((memoryMb - (before.get(name)?.memoryMb ?? 0)) * 1_000) / count,
    unit: 'kB',
  }));
}

function methodOf(devices: number): string[] {
  return [
    `Resident memory from /proc (PostgreSQL: proportional share, so that its shared buffers count once), half a minute after each state was reached, when V8 has given back what the rush to it left behind (what that was, stands beside it): ready; ${devices} devices connected and greeted; one installation open on each, offered and not answered.`,
    "The devices are in a process of their own, which is not counted. \"Slipway's own\" are all but PostgreSQL and Temporal's server; together, pages of files (Node's code, which all five have mapped) count once, by the largest.",
  ];
}
