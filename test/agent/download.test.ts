import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { testDevice, type TestDevice } from './device.js';
import { FileServer, type Mishap } from './file-server.js';
import { documentFor, TestService } from './service.js';

describe('A download', () => {
  let service: TestService;
  let server: FileServer;
  let device: TestDevice;
  let count = 0;
  beforeAll(async () => {
    server = await FileServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    service = await TestService.start();
    device = await testDevice(service.url);
    await device.boot();
    server.hasEtags = true;
    server.requests.length = 0;
  });
  afterEach(async () => {
    server.mishaps.length = 0;
    await device.end();
    await service.stop();
  });
  const fileOf = (size = 300_000) => server.file(`3.${(count += 1)}.0`, size);
  const retryAfter = (value: string, also = {}): Mishap => ({
    status: 503,
    headers: { 'retry-after': value, ...also },
  });

  it.each([
    ['seconds', () => retryAfter('2')],
    [
      "a date, by the server's own clock",
      () =>
        retryAfter('Mon, 05 Jan 2026 00:00:02 GMT', {
          date: 'Mon, 05 Jan 2026 00:00:00 GMT',
        }),
    ],
  ])('waits as long as Retry-After says: %s', async (_sentence, mishap) => {
    server.mishaps.push(mishap());
    const begun = performance.now();
    await service.publish('d-1', documentFor(fileOf()));
    await service.status('d-1', 'installed');
    expect(performance.now() - begun).toBeGreaterThanOrEqual(2_000);
    expect(server.requests).toHaveLength(2);
  });

  it('waits for what is left of Retry-After where it is started anew meanwhile', async () => {
    // By the machine's own clock, a slow one would find nothing left.
    let elapsed = 0;
    await device.end();
    device = await testDevice(service.url, {}, ['firmware'], undefined, {
      now: () => Date.now(),
      monotonic: () => elapsed,
      boot: 'one',
    });
    await device.boot();
    server.mishaps.push(retryAfter('3600'));
    await service.publish('d-1', documentFor(fileOf()));
    await service.until(() => device.events.some(({ phase }) => phase === 'retrying'), 'the refusal', 60_000);
    elapsed = 3_598_000;
    device.crash();
    const waits = () => device.events.some(({ detail }) => /said to wait 2 s more/.test(detail));
    await service.until(waits, 'the wait of the next start', 60_000);
    expect(server.requests).toHaveLength(1);
    await service.status('d-1', 'installed', 60_000);
    expect(server.requests).toHaveLength(2);
  }, 120_000);

  it('asks another server at once, also where this one wants no request', async () => {
    const other = await FileServer.start();
    try {
      server.mishaps.push(retryAfter('3600'));
      const file = fileOf();
      const document = documentFor(file);
      await service.publish('d-1', document);
      await service.until(() => device.events.some(({ phase }) => phase === 'retrying'), 'the refusal', 60_000);
      device.crash();
      const { pathname } = new URL(file.url);
      other.put(pathname, file.bytes);
      const elsewhere = new URL(other.file('other', 1).url);
      await service.publish('d-1', {
        ...document,
        attempt: 2,
        revision: 2,
        download: { url: new URL(pathname, elsewhere).href },
      });
      await service.status('d-1', 'installed', 60_000);
    } finally {
      await other.stop();
    }
  }, 120_000);

  it('does not count as failed what the server puts off', async () => {
    server.mishaps.push(...Array.from({ length: 4 }, () => retryAfter('0')));
    const desired = documentFor(fileOf());
    await service.publish('d-1', { ...desired, policy: { ...desired.policy, retryDownload: 1 } });
    await service.status('d-1', 'installed');
    expect(service.states('d-1')).not.toContain('failed');
  });

  it.each([
    ['a longer file, without an ETag', { instead: Buffer.alloc(400_000, 1) }],
    ['a shorter one', { instead: Buffer.from('<html>pay for the network first</html>') }],
    ['a longer one of which the size is not told', { instead: Buffer.alloc(400_000, 1), chunked: true }],
    ['a shorter one of which the size is not told', { instead: Buffer.alloc(5_000, 1), chunked: true }],
  ])('begins anew after %s, in the same attempt', async (_sentence, mishap) => {
    server.hasEtags = false;
    server.mishaps.push(mishap);
    const file = fileOf();
    await service.publish('d-1', documentFor(file));
    await service.status('d-1', 'installed');
    expect(service.states('d-1')).not.toContain('failed');
    expect(server.requests.at(-1)).toMatchObject({ range: undefined, status: 200 });
    expect(await device.digest()).toBe(file.sha256);
  });

  it('says HASH_MISMATCH where the file stays the wrong one', async () => {
    server.mishaps.push(...Array.from({ length: 9 }, () => ({ instead: Buffer.alloc(9, 1) })));
    await service.publish('d-1', documentFor(fileOf()));
    expect((await service.status('d-1', 'failed')).error).toMatchObject({
      code: 'HASH_MISMATCH',
      message: "the server's file has 9 bytes instead of 300000",
      retriable: true,
    });
  });

  it('begins anew where it was resumed without an ETag and the parts were of two files', async () => {
    server.hasEtags = false;
    const file = fileOf();
    const { pathname } = new URL(file.url);
    server.put(pathname, Buffer.alloc(file.bytes.length, 7));
    server.mishaps.push({ cutAfter: 100_000 }, { status: 503 });
    await service.publish('d-1', documentFor(file));
    await service.until(() => server.requests.length >= 2, 'the second try');
    server.put(pathname, file.bytes);
    await service.status('d-1', 'installed');
    expect(service.states('d-1')).not.toContain('failed');
    expect(await device.digest()).toBe(file.sha256);
  });
});
