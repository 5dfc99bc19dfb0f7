import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProfileName } from '../../agent/simulator/profiles.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { isInside } from '../support/outside.js';
import { FleetInFlight } from './fleet-in-flight.js';

const SEED = Number(process.env['SURVIVAL_SEED'] ?? 7);
const PROFILES: readonly (readonly [ProfileName, number])[] = [
  ['good', 26],
  ['slow', 8],
  ['resume', 4],
  ['flapping', 4],
  ['crashing', 3],
  ['duplicating', 2],
  ['deferring', 1],
  ['rejecting', 1],
  ['silent', 1],
];
/** By its command line. Temporal and PostgreSQL are not ours: their own names. */
const VICTIMS = {
  'the orchestrator': 'workers/orchestrator.js',
  'the bridge': 'workers/bridge.js',
  'the API': 'workers/api.js',
  'the broker': 'workers/broker.js',
  'the Temporal server': 'temporal server start-dev',
  PostgreSQL: 'postgres -D',
} as const;

/** What is outside is its operator's to kill. */
const ours = ([name]: readonly [string, string]) =>
  isInside(
    name,
    `${name} is killed or stopped`,
    'It is not a child of the all in one; test/e2e/mosquitto.test.ts kills a mosquitto',
  );

const service = new TestedAllInOne();
const fleet = new FleetInFlight(service, SEED);

beforeAll(async () => {
  await service.start();
  await fleet.register(PROFILES.flatMap(([profile, count]) => Array<ProfileName>(count).fill(profile)));
}, 120_000);
afterAll(async () => {
  await fleet.end();
  await service.stop();
  service.remove();
}, 60_000);

const pidsOf = (command: string) =>
  service
    .processes()
    .filter((one) => one.command.includes(command))
    .map((one) => one.pid);

describe(`With 50 installations in flight (SURVIVAL_SEED=${SEED})`, () => {
  it.each(Object.entries(VICTIMS).filter(ours))(
    'kill -9 of %s loses none, installs none twice, and each ends as its device does',
    async (_name, command) => {
      const wave = await fleet.schedule();
      await fleet.inFlight(wave, 0.5);
      const [pid] = pidsOf(command);
      expect(pid).toBeDefined();
      process.kill(pid!, 'SIGKILL');
      expect(await fleet.faultsAtTheEnd(wave, 90_000)).toEqual([]);
      const successor = await until('another one', () => pidsOf(command).find((one) => one !== pid));
      expect(successor).not.toBe(pid);
    },
    150_000,
  );

  it('kill -9 of the all in one itself: the next start ends what was left behind, and resumes', async () => {
    const before = { endpoints: service.endpoints, pids: service.processes().map((one) => one.pid) };
    // The time of an offer goes on while everything is away: on a busy machine it takes its time to come back.
    const wave = await fleet.schedule('PT30S');
    await fleet.inFlight(wave, 0.5);
    await service.kill();
    await service.start();
    expect(service.endpoints).toEqual(before.endpoints);
    expect(service.processes().filter((one) => before.pids.includes(one.pid))).toEqual([]);
    expect(await fleet.faultsAtTheEnd(wave, 90_000)).toEqual([]);
  }, 180_000);

  it('leaves an empty outbox, and a history without a gap', async () => {
    const metrics = () => fetch(`${service.endpoints.http}/metrics`).then((response) => response.text());
    await until('an empty outbox', async () => !/slipway_outbox_(rows|depth)\S* [1-9]/.test(await metrics()));
  });
});

describe('While a part is away', () => {
  const AWAY: [string, string][] = [
    ['Temporal', VICTIMS['the Temporal server']],
    ['the broker', VICTIMS['the broker']],
  ];
  it.each(AWAY.filter(ours))(
    '%s stopped: POST answers 201, and the work begins when it is back',
    async (_name, command) => {
      const [pid] = pidsOf(command);
      process.kill(pid!, 'SIGSTOP');
      try {
        const wave = await fleet.schedule();
        expect(wave.installations).toHaveLength(50);
        process.kill(pid!, 'SIGCONT');
        expect(await fleet.faultsAtTheEnd(wave, 90_000)).toEqual([]);
      } finally {
        if (pidsOf(command).includes(pid!)) process.kill(pid!, 'SIGCONT');
      }
    },
    150_000,
  );
});
