import { BareEngine, type BareRun } from '../engine/bare-engine.js';
import { engineWork } from '../engine/histories.js';
import { Fleet } from '../fleet.js';
import type { Figure, Measured, Part } from '../part.js';
import { rush, type Rush } from '../rush.js';
import { Stage } from '../stage.js';
import { usageBelow } from '../usage.js';

const DEVICES = 2_000;
/** The compilers of both sides are warm before anything counts. */
const WARM_UP = 0.1;

/** How many installations end in a second, beside what the engine alone could do. */
export const installations: Part = {
  title: 'Installations, end to end',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const devices = await stage.register(context.count(DEVICES, 20));
    const fleet = new Fleet(context);
    await fleet.connect(stage, devices, 'install');
    const bare = await BareEngine.start(context, stage);
    const warmUp = Math.ceil(devices.length * WARM_UP);
    context.say(`${devices.length} devices are connected; warming up with ${warmUp}`);
    await rush(stage, devices.slice(0, warmUp));
    await bare.run(warmUp);
    // Half of the ceiling before and half after: a server that grows slower with its file is not held against one side.
    const before = await bare.run(Math.ceil(devices.length / 2));
    const simulators = usageBelow(process.pid).get('rest')!.cpuMs;
    const measured = await rush(stage, devices);
    const besideIt = (usageBelow(process.pid).get('rest')!.cpuMs - simulators) / devices.length;
    const after = await bare.run(Math.ceil(devices.length / 2));
    const [work, bareWork] = [await engineWork(stage, 'installation'), await engineWork(stage, 'bare')];
    return {
      figures: [
        ...figuresOf(measured, mean(before, after), besideIt),
        {
          name: 'workflow tasks',
          value: work.tasks,
          unit: 'each',
          beside: { name: 'bare workflow', value: bareWork.tasks },
        },
        {
          name: 'signals',
          value: work.signals,
          unit: 'each',
          beside: { name: 'bare workflow', value: bareWork.signals },
        },
      ],
      method: [
        `${devices.length} simulated devices in one process (MQTT.js, one connection each) do what the protocol says: accepted, downloading, download of 64 KiB over HTTP, SHA-256, downloaded, installing, rebooting, hello, installed, each after the broker's PUBACK of the one before. A reboot takes no time and keeps the connection; nothing is written to a disk.`,
        'One installation per device is requested over the API, 16 requests at a time; the rate counts from the first request to the last `installed` in PostgreSQL, and to the close of the last workflow in Temporal.',
        "Ceiling: the bare Temporal SDK on the same server with the orchestrator's settings, except that all its workflows stay in its cache: start; local activity that does nothing; one timer; signal once that activity has run; local activity that does nothing. No database, no broker, no HTTP, no devices. Half of it is measured before and half after; the mean counts.",
        'CPU is user and system time from /proc, PostgreSQL with all its backends, from the first request until the last workflow closed. Tasks and signals are counted in the histories of the last 50 workflows of each kind.',
      ],
      notes:
        fleet.faults.length === 0 ? [] : [`${fleet.faults.length} faults of devices, the first: ${fleet.faults[0]}`],
    };
  },
};

function mean(one: BareRun, other: BareRun): BareRun {
  const of = (a: number, b: number) => (a + b) / 2;
  return {
    // Of equally many: the harmonic mean is the rate over both.
    perSecond: 2 / (1 / one.perSecond + 1 / other.perSecond),
    cpuMs: { temporal: of(one.cpuMs.temporal, other.cpuMs.temporal), worker: of(one.cpuMs.worker, other.cpuMs.worker) },
  };
}

function figuresOf(measured: Rush, bare: BareRun, simulatorsMs: number): Figure[] {
  const ceiling = { name: 'bare Temporal SDK', value: bare.perSecond };
  const own = [...measured.cpuMs.values()].reduce((sum, ms) => sum + ms, 0);
  const beside: Readonly<Record<string, number>> = { temporal: bare.cpuMs.temporal, orchestrator: bare.cpuMs.worker };
  const installed: Figure = { name: 'installed', value: measured.installedPerSecond, unit: '/s', beside: ceiling };
  return [
    { ...installed, target: { of: 'ratio', is: 'at least', value: 0.6 } },
    {
      ...installed,
      name: 'installed, by the second target',
      target: { of: 'ratio', is: 'at least', value: 0.8 },
      detail: 'the rows of CPU say where the time goes',
    },
    { name: 'installed, and its process ended', value: measured.concludedPerSecond, unit: '/s', beside: ceiling },
    {
      name: 'CPU, all of the service',
      value: own,
      unit: 'ms each',
      beside: { name: 'bare server and worker', value: bare.cpuMs.temporal + bare.cpuMs.worker },
    },
    ...[...measured.cpuMs]
      .sort(([, a], [, b]) => b - a)
      .map(([name, value]): Figure => ({
        name: `CPU, ${name}`,
        value,
        unit: 'ms each',
        ...(beside[name] === undefined
          ? {}
          : { beside: { name: name === 'temporal' ? 'of the bare workflow' : 'bare worker', value: beside[name] } }),
      })),
    {
      name: 'CPU, simulated devices and the bench itself',
      value: simulatorsMs,
      unit: 'ms each',
      detail: 'takes part of the same cores, and is no part of the service',
    },
  ];
}
