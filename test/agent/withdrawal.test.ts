import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Hooks } from '../../agent/core/hooks.js';
import { testDevice, type TestDevice } from './device.js';
import { FileServer, type ServedFile } from './file-server.js';
import { documentFor, TestService } from './service.js';

let service: TestService;
let server: FileServer;
let device: TestDevice;
let file: ServedFile;
beforeAll(async () => {
  server = await FileServer.start();
  file = server.file('1.5.0', 300_000);
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

async function connected(hooks: Hooks = {}): Promise<void> {
  device = await testDevice(service.url, hooks);
  await device.boot();
  await service.until(() => service.hellos('d-1').length > 0, 'the first hello');
}
const event = (phase: string) =>
  service.until(() => device.events.find((one) => one.phase === phase), `the event "${phase}"`);

describe('an agent whose work is withdrawn', () => {
  it('stops a download when its document is cleared, answers canceled, and leaves the slot alone', async () => {
    await connected();
    server.mishaps.push({ stallAfter: 100_000 });
    await service.publish('d-1', documentFor(file));
    await event('progress');
    await service.clear('d-1');
    await service.status('d-1', 'canceled');
    expect(service.states('d-1')).not.toContain('downloaded');
    expect(await device.digest()).toBeUndefined();
  });

  it('answers canceled to a command, and again to a repeated command', async () => {
    await connected();
    server.mishaps.push({ stallAfter: 100_000 });
    const desired = documentFor(file);
    await service.publish('d-1', desired);
    await event('progress');
    await service.command('d-1', 'cancel', desired.installationId);
    await service.status('d-1', 'canceled');
    await service.command('d-1', 'cancel', desired.installationId);
    await service.until(
      () => service.states('d-1').filter((state) => state === 'canceled').length >= 2,
      'the second answer',
    );
    expect(
      new Set(
        service
          .statuses('d-1')
          .filter(({ state }) => state === 'canceled')
          .map(({ seq }) => seq),
      ).size,
    ).toBe(1);
  });

  it('says CANCEL_TOO_LATE once it is installing, and continues to its normal end', async () => {
    let go: () => void = () => undefined;
    const gate = new Promise<void>((done) => (go = done));
    await connected({ at: async (point) => (point === 'swapped' ? gate : undefined) });
    const desired = documentFor(file);
    await service.publish('d-1', desired);
    await service.status('d-1', 'installing');
    await service.clear('d-1');
    await service.command('d-1', 'cancel', desired.installationId);
    const refused = await service.until(
      () => service.statuses('d-1').find(({ error }) => error?.code === 'CANCEL_TOO_LATE'),
      'CANCEL_TOO_LATE',
    );
    expect(refused.state).toBe('installing');
    go();
    await service.status('d-1', 'installed');
    expect(service.states('d-1')).not.toContain('canceled');
    expect(await device.digest()).toBe(file.sha256);
  });

  it('takes the document that replaces another one, and answers canceled for the one that went', async () => {
    await connected();
    server.mishaps.push({ stallAfter: 100_000 });
    const [first, second] = [documentFor(file), documentFor(server.file('1.6.0', 5_000), { revision: 2 })];
    await service.publish('d-1', first);
    await event('progress');
    await service.publish('d-1', second);
    await service.status('d-1', 'installed');
    expect(service.states('d-1', first.installationId).at(-1)).toBe('canceled');
    expect(service.states('d-1', second.installationId).at(-1)).toBe('installed');
  });

  it('ignores a document with a lower or equal revision, also after it was restarted', async () => {
    await connected();
    const first = documentFor(file, { revision: 7 });
    await service.publish('d-1', first);
    await service.status('d-1', 'installed');
    const [lower, equal, higher] = [6, 7, 8].map((revision) => documentFor(file, { revision }));
    await service.publish('d-1', lower!);
    await service.publish('d-1', equal!);
    await service.publish('d-1', higher!);
    await service.until(
      () => service.states('d-1', higher!.installationId).includes('installed'),
      'the higher revision',
    );
    expect(service.states('d-1', lower!.installationId)).toEqual([]);
    expect(service.states('d-1', equal!.installationId)).toEqual([]);
  });

  it('withdraws what the answer to its hello does not name, and keeps what it names', async () => {
    await connected();
    const desired = documentFor(file, { gate: 'hold' });
    await service.publish('d-1', desired);
    await service.status('d-1', 'downloaded');

    service.open = { firmware: { installationId: desired.installationId, revision: 1 } };
    await service.command('d-1', 'hello');
    await service.until(() => service.hellos('d-1').length >= 2, 'the second hello');
    service.open = {};
    await service.command('d-1', 'hello');
    await service.status('d-1', 'canceled');
    // One that is not answered within 75 ms is said again, with the same id.
    expect(new Set(service.hellos('d-1').map(({ msgId }) => msgId)).size).toBe(3);
    expect(await device.digest()).toBeUndefined();
  });

  it('does not withdraw what was published while the answer to its hello was under way', async () => {
    service.acknowledges = false;
    await connected();
    const [hello] = service.hellos('d-1');
    await service.publish('d-1', documentFor(file, { gate: 'hold' }));
    await service.status('d-1', 'downloaded');
    await service.acknowledge('d-1', { for: hello!.msgId, open: {} });
    await service.command('d-1', 'log');
    await service.until(
      () => service.heard.some(({ type }) => type === 'log'),
      'the answer to the command that came after it',
    );
    expect(service.states('d-1')).not.toContain('canceled');
  });

  it('learns from the answer to its hello, before it touches a slot, what was withdrawn while it was away', async () => {
    await connected({ at: async (point) => (point === 'verified' ? device.agent().disconnect() : undefined) });
    service.open = {};
    await service.publish('d-1', documentFor(file));
    await service.status('d-1', 'canceled');
    expect(service.states('d-1')).not.toContain('installing');
  });

  it('downloads and stops where the gate says hold, and installs when a new revision says go', async () => {
    await connected();
    const desired = documentFor(file, { gate: 'hold' });
    await service.publish('d-1', desired);
    await service.status('d-1', 'downloaded');
    expect(service.states('d-1')).not.toContain('installing');
    await service.publish('d-1', { ...desired, revision: 2, gate: 'go' });
    await service.status('d-1', 'installed');
    expect(server.requests).toHaveLength(1);
  });

  it('puts off until notBefore what came too early', async () => {
    await connected();
    const notBefore = Date.now() + 600;
    await service.publish('d-1', documentFor(file, { notBefore: new Date(notBefore).toISOString() }));
    const { until, forSeconds } = await service.status('d-1', 'deferred');
    expect(Math.abs((until ?? 0) - notBefore)).toBeLessThan(50);
    expect(forSeconds).toBe(1);
    await service.status('d-1', 'installed');
    expect(service.statuses('d-1').find(({ state }) => state === 'accepted')?.at).toBeGreaterThanOrEqual(notBefore);
  });
});
