import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SYSTEM_CLOCK } from '../../agent/core/clock.js';
import { until } from '../support/until.js';
import { testDevice } from './device.js';
import { FileServer } from './file-server.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';
import { SmallDisk } from './small-disk.js';

const HOUR_MS = 3_600_000;

let service: TestService;
let server: FileServer;
beforeAll(async () => {
  server = await FileServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  service = await TestService.start();
});
afterEach(async () => {
  server.mishaps.length = 0;
  await service.stop();
});

/** An attempt that ends in the middle of its download, and may be tried again. */
async function failed(version: string, size: number, revision = 1) {
  const made = documentFor(server.file(version, size), { revision });
  const desired = { ...made, policy: { ...made.policy, retryDownload: 0 } };
  server.mishaps.push({ cutAfter: size * 0.75 }, { status: 503 });
  await service.publish('d-1', desired);
  const { error } = await service.status('d-1', 'failed', 60_000);
  expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED', retriable: true });
  return desired;
}
const partsIn = async (dir: string) => (await readdir(dir)).filter((name) => name.endsWith('.part'));

describe('What came of a failed download', () => {
  it('is kept for the next attempt, and removed after a day without one, also over a restart', async () => {
    let aheadMs = 0;
    const clock = { ...SYSTEM_CLOCK, monotonic: () => SYSTEM_CLOCK.monotonic() + aheadMs };
    const device = await testDevice(service.url, {}, ['firmware'], undefined, clock);
    const downloads = join(device.dir, 'downloads');
    try {
      await device.boot();
      const first = await failed('1', 300_000);
      await service.clear('d-1'); // there is no document between two attempts
      expect(await partsIn(downloads)).toHaveLength(1);
      await service.publish('d-1', { ...first, attempt: 2, revision: 3 });
      await service.status('d-1', 'installed', 60_000);
      expect(server.requests.at(-1)).toMatchObject({ status: 206 });

      service.heard.length = 0;
      await failed('2', 300_000, 4);
      aheadMs += 23 * HOUR_MS;
      device.crash();
      await service.until(() => service.hellos('d-1').length > 0, 'the hello of the next start', 60_000);
      expect(await partsIn(downloads)).toHaveLength(1);
      aheadMs += 2 * HOUR_MS;
      await until('the download to be removed', async () => (await partsIn(downloads)).length === 0);
    } finally {
      await device.end();
    }
  }, 120_000);

  it('makes room for another download at once', async () => {
    const agent = await RealAgent.create(service.url);
    await mkdir(agent.path('small'));
    const disk = await SmallDisk.create(agent.path('small'), 4 * 1024 * 1024);
    try {
      await agent.configure({ slots: { firmware: {}, configuration: {} }, stateDir: agent.path('small/state') });
      agent.start({ under: disk.under });
      await service.until(() => service.hellos('d-1').length > 0, 'the first hello', 60_000);
      await failed('3', 2_000_000);
      expect(await partsIn(disk.path('state/downloads'))).toHaveLength(1);
      await service.publish('d-1', documentFor(server.file('4', 2_300_000), { slot: 'configuration' }));
      await service.status('d-1', 'installed', 60_000);
    } finally {
      await agent.remove();
      await disk.end();
    }
  }, 120_000);
});
