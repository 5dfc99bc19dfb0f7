import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Hooks } from '../../agent/core/hooks.js';
import { testDevice, type TestDevice } from './device.js';
import { FileServer } from './file-server.js';
import { documentFor, TestService } from './service.js';

let service: TestService;
let server: FileServer;
let device: TestDevice;
beforeAll(async () => {
  server = await FileServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  service = await TestService.start();
});
afterEach(async () => {
  await device.end();
  await service.stop();
  server.mishaps.length = 0;
  server.requests.length = 0;
});

/** A device that is connected, with 1.0.0 in its slot. */
async function connected(hooks: Hooks = {}, slots?: string[]): Promise<TestDevice> {
  device = await testDevice(service.url, hooks, slots);
  await device.files.deliver('firmware', 'factory', '1.0.0');
  await device.boot();
  await service.until(() => service.hellos(device.id).length > 0, 'the first hello');
  return device;
}

describe('an agent and one installation', () => {
  it('says hello after it connects: what it holds, confirmed, and that it is online', async () => {
    await connected();
    expect(service.hellos('d-1')[0]).toMatchObject({
      agent: { name: 'slipway-agent' },
      caps: { resume: true },
      slots: { firmware: { version: '1.0.0', confirmed: true, revision: 0, installationId: null } },
    });
    const presence = await service.until(() => service.heard.find(({ type }) => type === 'presence'), 'presence');
    expect(presence.body).toMatchObject({ online: true });
  });

  it('downloads, verifies, installs, reboots, says hello with the new content confirmed, and reports installed', async () => {
    await connected();
    const file = server.file('1.5.0', 300_000);
    const desired = documentFor(file);
    await service.publish('d-1', desired);
    await service.status('d-1', 'installed');

    expect(service.states('d-1').filter((state, index, all) => all.indexOf(state) === index)).toEqual([
      'accepted',
      'downloading',
      'downloaded',
      'installing',
      'rebooting',
      'installed',
    ]);
    expect(await device.digest()).toBe(file.sha256);
    const hello = service.hellos('d-1').at(-1);
    expect(hello?.slots['firmware']).toMatchObject({
      version: '1.5.0',
      sha256: file.sha256,
      installationId: desired.installationId,
      revision: 1,
      confirmed: true,
    });
    expect(hello?.bootId).not.toBe(service.hellos('d-1')[0]?.bootId);
    const order = service.heard.map((message) =>
      message.type === 'hello' ? 'hello' : message.type === 'status' ? message.body.state : '',
    );
    expect(order.lastIndexOf('hello')).toBeLessThan(order.indexOf('installed'));
    expect(await device.files.journal()).toMatchObject([
      { kind: 'install', installationId: desired.installationId, attempt: 1 },
    ]);
  });

  it('counts its statuses from 1 in each attempt, without a gap, over the reboot', async () => {
    await connected();
    const file = server.file('1.5.1', 100_000);
    await service.publish('d-1', documentFor(file));
    await service.status('d-1', 'installed');
    expect([...new Set(service.statuses('d-1').map(({ seq }) => seq))].sort((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
  });

  it('resumes a download that broke off with a Range request for the version it began with', async () => {
    await connected();
    const file = server.file('1.6.0', 400_000);
    server.mishaps.push({ cutAfter: 150_000 });
    await service.publish('d-1', documentFor(file));
    await service.status('d-1', 'installed');
    const [first, second] = server.requests;
    expect(first).toMatchObject({ range: undefined, status: 200 });
    expect(second?.status).toBe(206);
    const from = Number(/^bytes=(\d+)-$/.exec(second?.range ?? '')?.[1]);
    expect(from).toBeGreaterThan(0);
    expect(from).toBeLessThanOrEqual(150_000);
    expect(second?.ifRange).toMatch(/^"[0-9a-f]{16}"$/);
    expect(await device.digest()).toBe(file.sha256);
  });

  it('begins a download anew where the file at the address has changed meanwhile', async () => {
    await connected();
    const file = server.file('1.6.1', 400_000);
    server.put('/1.6.1', Buffer.alloc(400_000, 7));
    server.mishaps.push({ cutAfter: 150_000 }, { status: 503 });
    await service.publish('d-1', documentFor(file));
    await service.until(() => server.requests.length >= 2, 'the second try');
    server.put('/1.6.1', file.bytes);
    await service.status('d-1', 'installed');
    expect(server.requests.at(-1)).toMatchObject({ range: expect.stringMatching(/^bytes=/), status: 200 });
    expect(await device.digest()).toBe(file.sha256);
  });

  it('follows the service to a store elsewhere, also when it resumes', async () => {
    await connected();
    const store = await FileServer.start();
    try {
      const file = store.file('1.6.3', 400_000);
      store.mishaps.push({ cutAfter: 150_000 });
      server.mishaps.push({ redirectTo: file.url }, { redirectTo: file.url });
      await service.publish('d-1', documentFor({ ...file, url: server.file('1.6.3', 1).url }));
      await service.status('d-1', 'installed');
      expect(store.requests.map(({ status }) => status)).toEqual([200, 206]);
      expect(await device.digest()).toBe(file.sha256);
    } finally {
      await store.stop();
    }
  });

  it('gives up a download after the attempts that the document allows, and reports it as retriable', async () => {
    await connected();
    const file = server.file('1.6.2', 10_000);
    server.mishaps.push(...Array.from({ length: 10 }, () => ({ status: 503 })));
    await service.publish(
      'd-1',
      documentFor(file, { policy: { maxDeferSeconds: 0, confirmWithinSeconds: 60, retryDownload: 2 } }),
    );
    expect(await service.status('d-1', 'failed')).toMatchObject({
      error: { code: 'DOWNLOAD_FAILED', retriable: true, message: 'the server answered 503' },
    });
    expect(server.requests).toHaveLength(3);
  });

  it('never touches the slot with a wrong hash, reports HASH_MISMATCH, and takes the next attempt', async () => {
    await connected();
    const file = server.file('1.7.0', 200_000);
    server.put('/1.7.0', Buffer.alloc(200_000, 1));
    const desired = documentFor(file);
    await service.publish('d-1', desired);
    expect(await service.status('d-1', 'failed')).toMatchObject({
      attempt: 1,
      error: { code: 'HASH_MISMATCH', retriable: true },
    });
    expect(service.states('d-1')).not.toContain('installing');
    expect((await device.files.held('firmware')).version).toBe('1.0.0');
    expect(await device.files.journal()).toEqual([]);
    const log = await service.until(() => service.heard.find(({ type }) => type === 'log'), 'the diagnostics');
    expect(log.body).toMatchObject({ installationId: desired.installationId });

    server.put('/1.7.0', file.bytes);
    await service.publish('d-1', { ...desired, revision: 2, attempt: 2 });
    expect(await service.status('d-1', 'installed')).toMatchObject({ attempt: 2 });
    expect(await device.digest()).toBe(file.sha256);
  });

  it('looks at the file again before it touches the slot: a disk may have changed it since', async () => {
    let isDone = false;
    await connected({
      at: async (point) => {
        if (point !== 'downloaded' || isDone) return;
        isDone = true;
        const folder = join(device.dir, 'downloads');
        const name = (await readdir(folder)).find((one) => one.endsWith('.part'))!;
        const file = await open(join(folder, name), 'r+');
        await file.write(Buffer.from('other bytes'), 0, 11, 1_000);
        await file.close();
      },
    });
    const desired = documentFor(server.file('1.7.1', 200_000));
    await service.publish('d-1', desired);
    expect(await service.status('d-1', 'failed')).toMatchObject({
      attempt: 1,
      error: { code: 'HASH_MISMATCH', retriable: true },
    });
    expect((await device.files.held('firmware')).version).toBe('1.0.0');
    await service.publish('d-1', { ...desired, revision: 2, attempt: 2 });
    await service.status('d-1', 'installed');
  });

  it('reports at once what it already holds, without a download', async () => {
    await connected();
    const file = server.file('1.8.0', 50_000);
    await service.publish('d-1', documentFor(file));
    await service.status('d-1', 'installed');
    const again = documentFor(file, { revision: 2 });
    await service.publish('d-1', again);
    await service.until(() => service.states('d-1', again.installationId).includes('installed'), 'installed again');
    expect(service.states('d-1', again.installationId)).toEqual(['installed']);
    expect(server.requests).toHaveLength(1);
    expect(await device.files.journal()).toHaveLength(1);
  });

  it('rejects a slot that it does not have as UNSUPPORTED', async () => {
    await connected();
    await service.publish('d-1', documentFor(server.file('1.9.0', 10), { slot: 'bootloader' }));
    expect(await service.status('d-1', 'rejected')).toMatchObject({
      slot: 'bootloader',
      error: { code: 'UNSUPPORTED', retriable: false },
    });
  });

  it('works on one slot after the other', async () => {
    await connected({}, ['firmware', 'configuration']);
    const [one, other] = [server.file('2.0.0', 90_000), server.file('2.0.1', 80_000)];
    await service.publish('d-1', documentFor(one));
    await service.publish('d-1', documentFor(other, { slot: 'configuration' }));
    await service.until(
      () => service.states('d-1').filter((state) => state === 'installed').length >= 2,
      'both installed',
    );
    expect(await device.digest('firmware')).toBe(one.sha256);
    expect(await device.digest('configuration')).toBe(other.sha256);
  });
});
