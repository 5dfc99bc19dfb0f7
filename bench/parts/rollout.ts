import { Fleet } from '../fleet.js';
import type { Figure, Measured, Part } from '../part.js';
import { rollOut, type EndToEnd, type Pace } from '../rollout/end-to-end.js';
import { ENDED_AT_ONCE, measureTicks, type Ticked } from '../rollout/ticks.js';
import type { Touched } from '../rollout/touched.js';
import { rush } from '../rush.js';
import { Stage } from '../stage.js';
import { percentile, rounded, spread } from '../statistics.js';

const DEVICES = 2_000;
/** As fast as it goes, and at the pace that is asked of it at least. */
const RUSH: Pace = { maxInFlight: 500, startsPerMinute: 100_000 };
const STEADY: Pace = { maxInFlight: 500, startsPerMinute: 1_000 };
const DEVICES_FULL = 10_000;
/** The compilers of both sides are warm before anything counts. */
const WARM_UP = 0.05;
/** Targets of the two rollouts whose ticks are compared. */
const SMALL = 1_000;
const LARGE = 100_000;
const SAMPLES = 80;

/**
 * A rollout from the command to start until it has finished, and what its coordinator costs by the size of the fleet.
 */
export const rollout: Part = {
  title: 'A rollout, end to end',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const large = context.count(LARGE, 5_000);
    context.say(`ticks of rollouts to ${SMALL} and ${large} devices`);
    const [small, big] = (await measureTicks(context, stage, [SMALL, large], SAMPLES)) as [Ticked, Ticked];
    const devices = await stage.register(context.full ? DEVICES_FULL : context.count(DEVICES, 40));
    const fleet = new Fleet(context);
    await fleet.connect(stage, devices, 'install');
    context.say(`${devices.length} devices are connected; warming up`);
    const warmUp = devices.slice(0, Math.ceil(devices.length * WARM_UP));
    const alone = await rush(stage, warmUp);
    const measured = await rollOut(stage, devices, RUSH);
    context.say(`once more, to ${Math.min(devices.length, DEVICES)} devices, ${STEADY.startsPerMinute} a minute`);
    const steady = await rollOut(stage, devices.slice(0, DEVICES), STEADY);
    return {
      figures: [...ratesOf(measured), ...listsOf(measured, steady), ...ticksOf(small, big), ...costsOf(measured)],
      method: methodOf(devices.length, big.size, warmUp.length, alone.installedPerSecond),
      notes: [
        ...(fleet.faults.length === 0
          ? []
          : [`${fleet.faults.length} faults of devices, the first: ${fleet.faults[0]}`]),
        ...(measured.most > RUSH.maxInFlight
          ? [`${measured.most} were in flight at once, and ${RUSH.maxInFlight} is the cap`]
          : []),
      ],
    };
  },
};

function ratesOf({ completedPerMinute, slowestPerMinute, finishedAfterMs, most }: EndToEnd): Figure[] {
  const windowed: Figure[] = Number.isNaN(slowestPerMinute)
    ? []
    : [{ name: 'completed, in the slowest 10 s of the last group', value: slowestPerMinute, unit: '/min' }];
  return [
    {
      name: 'devices started and completed, gates between three groups included',
      value: completedPerMinute,
      unit: '/min',
      target: { of: 'value', is: 'at least', value: 1_000 },
      detail: `at most ${most} in flight`,
    },
    ...windowed,
    {
      name: 'from the last report to `finished`',
      value: finishedAfterMs / 1_000,
      unit: 's',
      target: { of: 'value', is: 'at most', value: 5 },
    },
  ];
}

/** What a person waits for: with cores left, as an operator sets the pace, and with none. */
function listsOf(rushed: EndToEnd, steady: EndToEnd): Figure[] {
  return [...steady.lists].flatMap(([name, { running, idle }]): Figure[] => [
    {
      name: `while it runs at ${STEADY.startsPerMinute.toLocaleString('en-US')} a minute: ${name}, p95`,
      value: percentile(running, 0.95),
      unit: 'ms',
      beside: { name: 'with nothing else to do', value: percentile(idle, 0.95) },
      target: { of: 'value', is: 'at most', value: 50 },
      detail: spread(running, 'ms'),
    },
    {
      name: `while it runs as fast as it can: ${name}, p95`,
      value: percentile(rushed.lists.get(name)!.running, 0.95),
      unit: 'ms',
      beside: { name: 'with nothing else to do', value: percentile(rushed.lists.get(name)!.idle, 0.95) },
      target: { of: 'value', is: 'at most', value: 50 },
    },
  ]);
}

function ticksOf(small: Ticked, large: Ticked): Figure[] {
  const size = large.size.toLocaleString('en-US');
  const kinds = [
    [`admits ${ENDED_AT_ONCE}`, small.admitting, large.admitting, small.touchedAdmitting, large.touchedAdmitting],
    ['finds nothing to do', small.looking, large.looking, small.touchedLooking, large.touchedLooking],
  ] as const;
  return [
    ...kinds.flatMap(([what, few, many, touchedFew, touchedMany]): Figure[] => [
      {
        name: `a tick that ${what}, ${size} targets, p95`,
        value: percentile(many, 0.95),
        unit: 'ms',
        target: { of: 'value', is: 'at most', value: 100 },
        detail: spread(many, 'ms'),
      },
      {
        name: `the same, p95, beside ${SMALL.toLocaleString('en-US')} targets`,
        value: percentile(many, 0.95),
        unit: 'ms',
        beside: { name: 'at 1,000', value: percentile(few, 0.95) },
        target: { of: 'ratio', is: 'at most', value: 1.5 },
        detail: `p50 ${rounded(percentile(many, 0.5))} and ${rounded(percentile(few, 0.5))} ms`,
      },
      {
        name: 'rows that it reads and writes',
        value: sum(touchedMany),
        unit: 'rows',
        beside: { name: 'at 1,000', value: sum(touchedFew) },
        detail: `${touchedMany.length} statements, and ${touchedFew.length}`,
      },
    ]),
    {
      name: `${size} targets snapshotted and put into their groups`,
      value: large.materialiseMs / 1_000,
      unit: 's',
      target: { of: 'value', is: 'at most', value: 30 },
    },
  ];
}

function sum(touched: readonly Touched[]): number {
  return touched.reduce((all, { rows }) => all + rows, 0);
}

function costsOf({ cpuMs }: EndToEnd): Figure[] {
  return [...cpuMs]
    .sort(([, a], [, b]) => b - a)
    .map(([name, value]) => ({ name: `CPU, ${name}`, value, unit: 'ms each' }));
}

function methodOf(devices: number, large: number, warmUp: number, alone: number): string[] {
  return [
    `${devices} simulated devices in one process, as above. A rollout to all of them over the API, named by their ids: the default groups (canary 1 %, early 10 %, rest) and gates, at most ${RUSH.maxInFlight} in flight, ${RUSH.startsPerMinute.toLocaleString('en-US')} starts a minute. The rate counts from the command to start to the last \`installed\` in PostgreSQL; \`finished\` is the time that the rollout itself has.`,
    `Just before, ${warmUp} of the devices installed something else, one request each (${rounded(alone * 60)} a minute), so that both sides are warm.`,
    'Lists are asked for one after the other over one client, with a second between rounds, for as long as the rollout runs: on the same cores as the devices, the service and the bench. At the pace of a minute, in a second rollout to at most 2,000 of them, cores are left over; without it none are, and a request waits for its turn on them at each of some ten steps. Beside both: the same requests after the rollout has finished.',
    `Ticks: rollouts to ${SMALL} and ${large} devices on a database of its own in the same PostgreSQL, rows for devices, without an engine; the activity that a tick is, called with its pool, in turn for both. Before each pair ${ENDED_AT_ONCE} installations report that they are installed, so that the first tick admits as many and the second finds nothing to do; ${SAMPLES} pairs after 5 that do not count.`,
    "Rows: those that the plans of a tick's statements (EXPLAIN ANALYZE) read in tables or indexes, thrown away or not, and those that they write.",
  ];
}
