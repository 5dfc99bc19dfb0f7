import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { keepDiagnostics } from '../../store/fleet/diagnostics.js';
import { asService } from '../../store/db/transaction.js';
import { until } from '../support/until.js';
import { BridgeUnderTest } from './bridge-under-test.js';

const bridge = new BridgeUnderTest('bridge refused');
beforeAll(() => bridge.start(), 60_000);
afterAll(() => bridge.end(), 60_000);

describe('Refused messages', () => {
  const status = (more: object) => ({
    v: 1,
    installationId: randomUUID(),
    attempt: 1,
    seq: 1,
    slot: 'firmware',
    state: 'installed',
    ...more,
  });
  it.each([
    ['not_json', 'hello', '{"v":1,', /not JSON/],
    ['not_json', 'hello', '', /empty/],
    ['unknown_version', 'hello', '{"v":2}', /"v" is 2/],
    ['unknown_version', 'status', '{}', /missing/],
    ['invalid', 'status', '{"v":1,"state":"installed"}', /status\.installationId/],
    ['too_large', 'log', JSON.stringify({ v: 1, lines: ['x'.repeat(9_000)] }), /at most 8192 are read/],
    ['unknown_installation', 'status', JSON.stringify(status({})), /no such installation/],
  ] as const)(
    'D5 %s: a %s is counted by its reason, and kept for last-diagnostics with a sentence',
    async (reason, type, payload, sentence) => {
      const device = await bridge.device(await bridge.facts.device());
      const before = bridge.counted.get(reason) ?? 0;
      await device.send(device.topic(`up/${type}`), payload);
      const entry = await bridge.diagnosed(device.id, reason);
      expect(entry).toMatchObject({
        topic: device.topic(`up/${type}`),
        detail: expect.stringMatching(sentence),
        payload: payload.slice(0, 512),
      });
      await until('it is counted', () => (bridge.counted.get(reason) ?? 0) === before + 1);
    },
  );

  it('D5 not UTF-8: kept with what can be shown of it', async () => {
    const device = await bridge.device(await bridge.facts.device());
    await device.sendBytes(device.topic('up/hello'), Buffer.from([0x7b, 0xff, 0x00, 0x7d]));
    expect(await bridge.diagnosed(device.id, 'not_utf8')).toMatchObject({ payload: '{\uFFFD\uFFFD}' });
  });

  it('D5 a stale attempt: refused, answered as stale, kept', async () => {
    const device = await bridge.device(await bridge.facts.device());
    const installation = await bridge.installing(device.id, {
      policy: { retry: { maxAttempts: 2, first: 100, factor: 2, max: 100 } },
    });
    const document = await device.desired();
    await device.status(document, 'failed', { error: { code: 'BUSY', message: 'in use' } });
    await device.desired(device.id, 'firmware', (one) => one['attempt'] === 2);
    const receipt = await device.status(document, 'installed');
    expect(await device.ack(receipt)).toMatchObject({ result: 'stale' });
    await bridge.diagnosed(device.id, 'stale_attempt');
    expect(await bridge.see(installation)).toMatchObject({ attempt: 2, state: 'delivered' });
  });

  it('D5 a child whose id is in capitals, or no id: kept for the sender', async () => {
    const device = await bridge.device(await bridge.facts.device());
    await device.send(device.topic('up/status', 'Child-7'), status({}));
    expect(await bridge.diagnosed(device.id, 'unknown_device')).toMatchObject({
      detail: expect.stringMatching(/ids that the service gave/),
    });
  });

  it('D5 a device that does not exist: kept for the sender, and answered as unknown', async () => {
    const device = await bridge.device(await bridge.facts.device());
    const unknown = randomUUID();
    const body = status({});
    await device.send(device.topic('up/status', unknown), body);
    expect(await device.ack(`${body.installationId}/1/1`, unknown)).toMatchObject({ result: 'unknown' });
    await bridge.diagnosed(device.id, 'unknown_device');
  });

  it('D5 are kept for one hour, and at most 100 of one device: the newest', async () => {
    const device = await bridge.device(await bridge.facts.device());
    const one = (at: number, detail: string) => ({
      tenantId: 'default',
      deviceId: device.id,
      at,
      reason: 'invalid',
      detail,
    });
    await asService(bridge.pool, (tx) => keepDiagnostics(tx, [one(Date.now() - 3_700_000, 'old')]));
    expect(await bridge.diagnostics(device.id)).toEqual([]);
    // A text that is cut in the middle of a character is kept all the same.
    await asService(bridge.pool, (tx) =>
      keepDiagnostics(tx, [
        { ...one(Date.now(), `${'-'.repeat(999)}💥`), topic: `${'-'.repeat(511)}💥`, payload: `${'-'.repeat(511)}💥` },
      ]),
    );
    expect(await bridge.diagnostics(device.id)).toHaveLength(1);
    for (let nth = 0; nth < 130; nth += 1) await device.send(device.topic('up/hello'), `{"v":1,"nth":${nth}}`);
    await until(
      'the last one is kept',
      async () => (await bridge.diagnostics(device.id))[0]?.payload === '{"v":1,"nth":129}',
    );
    const kept = await bridge.facts.sql('SELECT payload FROM device_diagnostics WHERE device_id = $1 ORDER BY entry', [
      device.id,
    ]);
    expect(kept).toHaveLength(100);
    expect(kept[0]).toEqual({ payload: '{"v":1,"nth":30}' });
  });
});

describe('A log', () => {
  it('is in last-diagnostics, and marks the device as online', async () => {
    const device = await bridge.device(await bridge.facts.device());
    await device.send(device.topic('up/log'), { v: 1, lines: ['flash: bad block 7', 'gave up'] });
    expect(await bridge.diagnosed(device.id, 'log')).toMatchObject({ detail: 'flash: bad block 7\ngave up' });
    expect(await bridge.facts.sql('SELECT online FROM devices WHERE id = $1', [device.id])).toEqual([{ online: true }]);
  });

  it("of another gateway's child is refused", async () => {
    const device = await bridge.device(await bridge.facts.device());
    const stranger = await bridge.facts.device();
    await device.send(device.topic('up/log', stranger), { v: 1, lines: ['slander'] });
    await bridge.diagnosed(device.id, 'forbidden');
    expect(await bridge.diagnostics(stranger)).toEqual([]);
  });
});

describe('Presence', () => {
  it('D11 false counts only for the newest session: a last will of an old connection comes late', async () => {
    const device = await bridge.device(await bridge.facts.device());
    const online = async () =>
      (await bridge.facts.sql<{ online: boolean }>('SELECT online FROM devices WHERE id = $1', [device.id]))[0]!.online;
    await device.presence(true, 'first');
    await device.presence(true, 'second');
    await device.presence(false, 'first');
    await device.ack(await device.hello({}));
    expect(await online()).toBe(true);
    await device.presence(false, 'second');
    await until('it is offline', async () => !(await online()));
  });
});

describe('Progress', () => {
  it('D12 is no history and no signal, and is written at most every 2 s', async () => {
    const device = await bridge.device(await bridge.facts.device());
    const installation = await bridge.installing(device.id);
    await device.status(await device.desired(), 'downloading');
    await bridge.becomes(installation, 'downloading');
    await device.ack(await device.hello({})); // now it is online: people read another sentence
    const marked = await bridge.facts.sql('SELECT generation FROM outbox WHERE subject = $1', [installation.id]);
    for (const bytes of [1, 2, 3])
      await device.send(
        device.topic('up/progress'),
        { v: 1, installationId: installation.id, phase: 'download', bytes, total: 4 },
        { qos: 0 },
      );
    await device.ack(await device.hello({}));
    const after = await bridge.see(installation);
    expect(after.progress).toMatchObject({ phase: 'download', bytes: 1, total: 4 });
    expect(after.history.map((entry) => entry.event)).toEqual(['requested', 'delivered', 'downloading']);
    expect(await bridge.facts.sql('SELECT generation FROM outbox WHERE subject = $1', [installation.id])).toEqual(
      marked,
    );
  });
});
