import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { leftOf, momentOf, spanNow, spanOf, SYSTEM_CLOCK } from '../../agent/core/clock.js';
import { Halted, type Hooks, type Point } from '../../agent/core/hooks.js';
import { testDevice, type TestDevice } from './device.js';
import { FileServer, type ServedFile } from './file-server.js';
import { documentFor, TestService } from './service.js';

const HOUR = 3_600_000;
const JUMPS: [string, number][] = [
  ['−1 d', -24 * HOUR],
  ['−1 h', -HOUR],
  ['+1 h', HOUR],
  ['+50 years', 50 * 8_766 * HOUR],
];
const POINTS: Point[] = [
  'accepted',
  'downloading',
  'verified',
  'downloaded',
  'installing',
  'swapped',
  'rebooting',
  'booting',
  'confirmed',
  'ended',
];
/** Far above what a phase takes on a busy machine, far below the smallest jump. */
const SOON_MS = 20_000;

describe('A span of time', () => {
  const now = { wall: 0, monotonic: 10_000, boot: 'one' };
  it.each([
    ['goes by in the same boot, also over a restart of the process', { monotonic: 14_000 }, 6_000],
    ['is over when its time has gone by', { monotonic: 30_000 }, 0],
    ['does not care for the wall clock', { wall: 50 * 8_766 * HOUR, monotonic: 14_000 }, 6_000],
    ['is all left in another boot, whose clock cannot be compared', { monotonic: 90_000, boot: 'two' }, 10_000],
    ['is all left where the clock of the boot is behind it', { monotonic: 9_000 }, 10_000],
  ])('%s', (_sentence, later, left) => {
    expect(leftOf(spanOf(10_000, now), { ...now, ...later })).toBe(left);
  });

  it('continues in the next boot from what was written down last', () => {
    const written = spanNow(spanOf(10_000, now), { ...now, monotonic: 13_000 });
    expect(leftOf(written, { wall: 0, monotonic: 5, boot: 'two' })).toBe(7_000);
  });

  it("is measured by one clock in all processes of the machine's boot", () => {
    const [first, second] = [momentOf(SYSTEM_CLOCK), momentOf(SYSTEM_CLOCK)];
    expect(second.monotonic).toBeGreaterThanOrEqual(first.monotonic);
    expect([second.boot, first.boot]).toEqual([SYSTEM_CLOCK.boot, SYSTEM_CLOCK.boot]);
  });
});

describe("An agent whose machine's wall clock is set", () => {
  let service: TestService;
  let server: FileServer;
  let file: ServedFile;
  let device: TestDevice;
  let offset: number;
  const clock = { ...SYSTEM_CLOCK, now: () => Date.now() + offset };
  beforeAll(async () => {
    server = await FileServer.start();
    file = server.file('1.5.0', 300_000);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    offset = 0;
    service = await TestService.start();
  });
  afterEach(async () => {
    await device.end();
    await service.stop();
  });
  async function boot(hooks: Hooks): Promise<void> {
    device = await testDevice(service.url, hooks, ['firmware'], undefined, clock);
    await device.boot();
  }
  const installed = () => service.status('d-1', 'installed', SOON_MS);
  /** What the service does not acknowledge is repeated, whatever the clock showed when it was said first. */
  async function endsAndRepeats(): Promise<void> {
    await service.until(
      () => service.states('d-1').filter((state) => state === 'installed').length >= 2,
      'a repetition of the outcome',
      SOON_MS,
    );
    service.acknowledges = true;
    await service.until(() => device.agent().state().unacknowledged.length === 0, 'the receipt', SOON_MS);
    expect(await device.digest()).toBe(file.sha256);
    expect(service.states('d-1')).not.toContain('failed');
  }

  describe.each(JUMPS)('by %s', (_name, jump) => {
    it.each(POINTS)('at "%s" continues, and says again what was not acknowledged', async (point) => {
      service.acknowledges = false;
      await boot({ at: async (here) => void (here === point && (offset = jump)) });
      await service.publish('d-1', documentFor(file));
      await endsAndRepeats();
    });

    it.each(POINTS)('at "%s" and loses its power continues after the restart', async (point) => {
      service.acknowledges = false;
      await boot({
        async at(here) {
          if (here !== point || offset !== 0) return;
          offset = jump;
          device.crash();
          throw new Halted('the device lost its power');
        },
      });
      await service.publish('d-1', documentFor(file));
      await endsAndRepeats();
    });

    it.each([
      ['with a restart', true],
      ['without one', false],
    ])('while it puts an installation off, %s, continues when its own time is over', async (_sentence, isRestarted) => {
      let offers = 0;
      await boot({
        offered: async () => ((offers += 1) === 1 ? { answer: 'defer', forMs: 700 } : { answer: 'accept' }),
      });
      const begun = performance.now();
      await service.publish('d-1', documentFor(file));
      expect((await service.status('d-1', 'deferred')).forSeconds).toBe(1);
      offset = jump;
      if (isRestarted) device.crash();
      await installed();
      expect(performance.now() - begun).toBeGreaterThanOrEqual(700);
    });

    it('puts off no longer than the policy allows', async () => {
      await boot({ offered: async () => ({ answer: 'defer', forMs: 300 }) });
      const desired = documentFor(file);
      const policy = { ...desired.policy, maxDeferSeconds: 1 };
      await service.publish('d-1', { ...desired, policy });
      await service.status('d-1', 'deferred');
      offset = jump;
      await installed();
    });

    it('repeats a hello that nothing answered', async () => {
      service.acknowledges = false;
      await boot({});
      await service.until(() => service.hellos('d-1').length >= 1, 'a hello');
      offset = jump;
      const before = service.hellos('d-1').length;
      await service.until(() => service.hellos('d-1').length >= before + 2, 'two more', SOON_MS);
    });
  });

  it('does not wait for a notBefore that was over when the document was issued, though its clock was never set', async () => {
    offset = -Date.now(); // 1970
    await boot({});
    const notBefore = new Date(Date.now() - HOUR).toISOString();
    await service.publish('d-1', documentFor(file, { notBefore }));
    await installed();
  });

  it('waits for a notBefore no longer than the time from its issue to it, by its own measure', async () => {
    offset = -Date.now();
    await boot({});
    const begun = performance.now();
    await service.publish('d-1', documentFor(file, { notBefore: new Date(Date.now() + 800).toISOString() }));
    expect((await service.status('d-1', 'deferred')).forSeconds).toBe(1);
    await installed();
    expect(performance.now() - begun).toBeGreaterThanOrEqual(700);
  });

  it('continues as soon as the clock is set past notBefore', async () => {
    offset = -2 * HOUR;
    await boot({});
    const issuedAt = new Date(Date.now() - 2 * HOUR).toISOString();
    await service.publish('d-1', documentFor(file, { issuedAt, notBefore: new Date(Date.now() - HOUR).toISOString() }));
    await service.status('d-1', 'deferred');
    offset = 0;
    await installed();
  });
});
