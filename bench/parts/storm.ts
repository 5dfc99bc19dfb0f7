import { Child } from '../child.js';
import type { FromStorm, Listening, ToStorm } from '../messages.js';
import type { Context, Figure, Measured, Part } from '../part.js';
import { median, rounded } from '../statistics.js';
import { bareMosquitto } from '../storm/mosquitto.js';
import { total, usageBelow } from '../usage.js';

const DEVICES = 9_000;
const ROUNDS = 5;
/** What is not greeted by then never is. */
const LIMIT_MS = 120_000;

/** What one storm was. */
interface Round {
  readonly seconds: number;
  /** Of the broker, for each device. */
  readonly cpuMs: number;
  readonly failed: number;
}
type Outcome = Round | { readonly fault: string };
/** `alive` rejects when the broker ends. */
interface Broker {
  readonly port: number;
  readonly pid: number;
  readonly alive: Promise<unknown>;
}

/** Devices that all connect to a fresh broker at the same moment. */
export const storm: Part = {
  title: 'A storm of connections',
  async run(context): Promise<Measured> {
    const count = context.count(DEVICES, 500);
    const rounds = context.count(ROUNDS, 1);
    const ours = await storms(context, count, rounds, embedded);
    const others = await storms(context, count, rounds, mosquitto);
    return {
      figures: figuresOf(count, ours, others),
      method: [
        `${count} connections at once to a broker that was started a moment before; each subscribes, says hello, and is greeted when its receipt has come. ${rounds} storms, each on a fresh broker.`,
        'The broker alone: passwords are not looked up, and a small client stands for the bridge. Devices and client are one other process on the same cores.',
        "mosquitto: Debian's, without logins and without a disk.",
      ],
      notes: [
        ...ours.flatMap((one) => ('fault' in one ? [one.fault] : [])),
        ...(others.length === 0 ? ['mosquitto is not installed.'] : []),
      ],
    };
  },
};

function figuresOf(count: number, ours: readonly Outcome[], others: readonly Outcome[]): Figure[] {
  const [held, beside] = [roundsOf(ours), roundsOf(others)];
  const worst = (all: readonly Round[]) => Math.max(...all.map(({ seconds }) => seconds));
  const cpu = (all: readonly Round[]) => median(all.map(({ cpuMs }) => cpuMs));
  return [
    {
      name: 'storms that the broker did not survive, or that left a device without an answer',
      value: ours.length - held.filter(({ failed }) => failed === 0).length,
      unit: `of ${ours.length}`,
      target: { of: 'value', is: 'at most', value: 0 },
    },
    ...(held.length === 0
      ? []
      : [
          {
            name: `until all ${count} are greeted, the slowest storm`,
            value: worst(held),
            unit: 's',
            ...(beside.length > 0 && { beside: { name: 'mosquitto', value: worst(beside) } }),
            target: { of: 'value', is: 'at most', value: 20 },
            detail: held.map(({ seconds }) => rounded(seconds)).join(', '),
          } as const,
          {
            name: 'CPU of the broker, for each device',
            value: cpu(held),
            unit: 'ms',
            ...(beside.length > 0 && { beside: { name: 'mosquitto', value: cpu(beside) } }),
          },
        ]),
  ];
}

function roundsOf(all: readonly Outcome[]): Round[] {
  return all.flatMap((one) => ('fault' in one ? [] : [one]));
}

/** Empty where there is no such broker. */
async function storms(
  context: Context,
  count: number,
  rounds: number,
  start: (context: Context) => Promise<Broker | undefined>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const closing: (() => unknown)[] = [];
    const own: Context = { ...context, atEnd: (close) => void closing.push(close) };
    try {
      const broker = await start(own);
      if (!broker) return [];
      outcomes.push(await oneStorm(own, broker, count));
    } finally {
      for (const close of closing.reverse()) await close();
    }
  }
  return outcomes;
}

async function oneStorm(context: Context, { port, pid, alive }: Broker, count: number): Promise<Outcome> {
  const before = total(usageBelow(pid));
  const devices: Child<ToStorm, FromStorm> = new Child(context, new URL('../storm/devices.js', import.meta.url));
  devices.say({ port, count });
  try {
    const greeted = devices.hear('all are greeted', LIMIT_MS, (said) =>
      said.greeted + said.failed >= count ? said : undefined,
    );
    const { seconds, failed } = (await Promise.race([greeted, alive])) as FromStorm;
    return { seconds, failed, cpuMs: (total(usageBelow(pid)) - before) / count };
  } catch (error) {
    return { fault: (error as Error).message };
  }
}

async function embedded(context: Context): Promise<Broker> {
  const broker = new Child<never, Listening>(context, new URL('../ingest/bare-broker.js', import.meta.url));
  const port = await broker.hear('the broker listens', 20_000, (message) => message.port);
  const alive = broker.hear('anything more', LIMIT_MS * 2, () => undefined);
  alive.catch(() => undefined);
  return { port, pid: broker.pid, alive };
}

async function mosquitto(context: Context): Promise<Broker | undefined> {
  const found = await bareMosquitto(context);
  return found && { ...found, alive: new Promise(() => undefined) };
}
