import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { statusReceipt } from '../../protocol/mqtt/payloads.js';
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
  file = server.file('1.5.0', 100_000);
});
afterAll(() => server.stop());
beforeEach(async () => {
  service = await TestService.start();
});
afterEach(async () => {
  await device.end();
  await service.stop();
});

async function connected(hooks: Hooks = {}): Promise<void> {
  device = await testDevice(service.url, hooks);
  await device.boot();
  await service.until(() => service.hellos('d-1').length > 0, 'the first hello');
}
const count = (state: string) => service.states('d-1').filter((one) => one === state).length;
const isUnacknowledged = () => device.agent().state().unacknowledged.length > 0;

describe('an agent without acknowledgements', () => {
  it('repeats hello until the service acknowledges it', async () => {
    service.acknowledges = false;
    await connected();
    await service.until(() => service.hellos('d-1').length >= 3, 'the third hello');
    const ids = new Set(service.hellos('d-1').map(({ msgId }) => msgId));
    expect(ids.size).toBe(1);
    await service.acknowledge('d-1', { for: [...ids][0]! });
    const heard = service.hellos('d-1').length;
    service.acknowledges = true;
    await service.publish('d-1', documentFor(file));
    await service.status('d-1', 'accepted');
    expect(service.hellos('d-1').length - heard).toBeLessThanOrEqual(1); // one may have been under way
  });

  it('repeats a terminal status, the same one, until it is acknowledged, and over a restart', async () => {
    service.acknowledges = false;
    await connected();
    await service.publish('d-1', documentFor(file));
    await service.until(() => count('installed') >= 3, 'the third installed');
    await device.agent().stop();
    const before = count('installed');
    await device.boot();
    await service.until(() => count('installed') >= before + 2, 'installed after the restart');
    const receipts = new Set(
      service
        .statuses('d-1')
        .filter(({ state }) => state === 'installed')
        .map(statusReceipt),
    );
    expect(receipts.size).toBe(1);
    expect(isUnacknowledged()).toBe(true);
    await service.acknowledge('d-1', { for: [...receipts][0]!, result: 'stale' });
    await service.until(() => !isUnacknowledged(), 'the receipt to be taken');
    expect(await device.files.journal()).toHaveLength(1);
  });

  it('says its newest status again after the connection broke', async () => {
    await connected();
    await service.publish('d-1', documentFor(file, { gate: 'hold' }));
    await service.status('d-1', 'downloaded');
    device.agent().disconnect();
    await service.until(() => count('downloaded') >= 2, 'downloaded again');
    expect(
      new Set(
        service
          .statuses('d-1')
          .filter(({ state }) => state === 'downloaded')
          .map(({ seq }) => seq),
      ).size,
    ).toBe(1);
  });

  it('leaves a last will for its own connection, and says goodbye with the same session', async () => {
    await connected();
    const presences = () => service.heard.flatMap((message) => (message.type === 'presence' ? [message.body] : []));
    await service.until(() => presences().length >= 1, 'presence');
    device.agent().disconnect();
    await service.until(
      () => presences().filter(({ online }) => online).length >= 2,
      'presence of the second connection',
    );
    const [first, second] = presences().filter(({ online }) => online);
    expect(first?.session).not.toBe(second?.session);
    await service.until(
      () => presences().some(({ online, session }) => !online && session === first?.session),
      'the last will of the first',
    );
    await device.agent().stop();
    await service.until(
      () => presences().some(({ online, session }) => !online && session === second?.session),
      'the goodbye of the second',
    );
  });

  it('says again how an attempt ended when its document is published once more', async () => {
    await connected();
    const desired = documentFor(file);
    await service.publish('d-1', desired);
    await service.status('d-1', 'installed');
    await service.until(() => !isUnacknowledged(), 'the receipt');
    const before = count('installed');
    await service.publish('d-1', { ...desired, revision: 9 });
    await service.until(() => count('installed') > before, 'installed once more');
    expect(
      new Set(
        service
          .statuses('d-1')
          .filter(({ state }) => state === 'installed')
          .map(({ seq }) => seq),
      ).size,
    ).toBe(1);
    expect(await device.files.journal()).toHaveLength(1);
  });
});
