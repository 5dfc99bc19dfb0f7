import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectMqtt, type MqttConnection } from '../../bridge/mqtt/connection.js';
import { deleteDevice } from '../../store/commands/delete-device.js';
import { report } from '../../store/commands/create-installation.js';
import { mark } from '../../store/outbox/outbox.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { until } from '../support/until.js';
import { BridgeUnderTest } from './bridge-under-test.js';

/** Compared often, so that a test need not wait for minutes. */
const bridge = new BridgeUnderTest('bridge documents', 1_000);
let service: MqttConnection;
beforeAll(async () => {
  await bridge.start();
  service = await asTheService();
}, 60_000);
afterAll(() => bridge.end(), 60_000);

const asTheService = () =>
  connectMqtt({
    url: bridge.url,
    clientId: randomUUID(),
    clean: true,
    keepaliveSeconds: 10,
    connectTimeoutMs: 5_000,
    maxPacketSize: 65_536,
    username: 'slipway',
    password: 'service',
  });
const topicOf = (device: string, node = device, slot = 'firmware') =>
  `slipway/v1/default/${node}/${device}/down/desired/${slot}`;
const published = (device: string) =>
  bridge.facts.sql('SELECT node, revision::int FROM published_documents WHERE device_id = $1', [device]);
const settled = (device: string) =>
  until(
    "the document's mark is gone",
    async () =>
      (await bridge.facts.sql(`SELECT FROM outbox WHERE receiver = 'document' AND subject = $1`, [device])).length ===
      0,
  );

/** What the broker retains there, as a device that comes now finds it. */
async function retained(topic: string): Promise<Record<string, unknown> | undefined> {
  const reader = await asTheService();
  let found: Record<string, unknown> | undefined;
  reader.onMessage((message) => {
    message.acknowledge();
    if (message.retain && message.payload.length > 0)
      found = JSON.parse(message.payload.toString()) as Record<string, unknown>;
  });
  await reader.subscribe([{ filter: topic, qos: 1 }]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  reader.end();
  return found;
}

describe('A document', () => {
  it('D6 is retained: a device that comes later finds it, and one that comes after its end finds nothing', async () => {
    const id = await bridge.facts.device();
    const installation = await bridge.installing(id);
    await until('it is published', async () => (await published(id)).length === 1);
    const device = await bridge.device(id);
    await device.desired();
    expect(device.heard.find((one) => one.json)).toMatchObject({
      retain: true,
      json: { installationId: installation.id },
    });
    await device.ack(await device.status(await device.desired(), 'rejected'));
    await device.cleared();
    await settled(id);
    expect(await retained(topicOf(id))).toBeUndefined();
    expect(await published(id)).toEqual([]);
  });

  it('D7 has a higher revision with each offer and each change of its gate', async () => {
    const id = await bridge.facts.device();
    const device = await bridge.device(id);
    const installation = await bridge.installing(id, { gate: 'hold' });
    expect(await device.desired()).toMatchObject({ revision: 1, gate: 'hold' });
    await asService(bridge.pool, (tx) =>
      report(
        tx,
        'default',
        {
          deviceId: id,
          installationId: installation.id,
          event: { type: 'release' },
          by: { kind: 'operator', id: 'test' },
        },
        Date.now(),
      ),
    );
    expect(await device.desired(id, 'firmware', (one) => one['gate'] === 'go')).toMatchObject({
      revision: 2,
      installationId: installation.id,
    });
  });

  it('D7 has max(stored, what a hello reports) + 1 where the database was restored, so that the device does not ignore it for ever', async () => {
    const id = await bridge.facts.device();
    const device = await bridge.device(id);
    await device.ack(
      await device.hello({ firmware: { version: '1', sha256: 'e'.repeat(64), revision: 41, confirmed: true } }),
    );
    await bridge.installing(id);
    expect(await device.desired()).toMatchObject({ revision: 42 });
    await device.hello({ firmware: { version: '1', sha256: 'e'.repeat(64), revision: 50, confirmed: true } });
    expect(await device.desired(id, 'firmware', (one) => (one['revision'] as number) > 42)).toMatchObject({
      revision: 51,
    });
  });

  it.each([
    ['none', null],
    ['an empty one', ''],
  ])('names a version also where the firmware has %s: its name', async (_what, version) => {
    const id = await bridge.facts.device();
    const device = await bridge.device(id);
    await bridge.facts.install(id, await bridge.facts.firmware('d', version));
    expect(await device.desired()).toMatchObject({ firmware: { name: 'switch', version: 'switch' } });
  });

  it('O7 that cannot be made holds up no other', async () => {
    const [broken, whole] = [await bridge.facts.device(), await bridge.facts.device()];
    const slot = 'no topic+has this';
    const firmwareId = await bridge.facts.firmware('d');
    const installation = await bridge.facts.install(broken, firmwareId);
    // By no way through the API: a slot whose name cannot be a level.
    await bridge.facts.sql(`UPDATE installations SET slot = $2 WHERE id = $1`, [installation.id, slot]);
    await asService(bridge.pool, (tx) =>
      mark(tx, [{ receiver: 'document', tenantId: 'default', subject: broken, detail: slot }]),
    );
    const device = await bridge.device(whole);
    await bridge.installing(whole);
    await device.desired();
    const [row] = await until('its row says why', () =>
      bridge.facts
        .sql(
          `SELECT attempts, last_error FROM outbox WHERE subject = $1 AND receiver = 'document' AND last_error IS NOT NULL`,
          [broken],
        )
        .then((rows) => rows.length > 0 && rows),
    );
    expect(row).toMatchObject({ last_error: expect.stringContaining("cannot be a slot's level") });
    await bridge.facts.sql('DELETE FROM outbox WHERE subject = $1', [broken]);
    await bridge.facts.sql(
      `UPDATE installations SET executing = false, state = 'failed', ended_at = now() WHERE id = $1`,
      [installation.id],
    );
  });

  it('fits into one message also where the device has more aliases than that', async () => {
    const aliases = Array.from({ length: 40 }, (_, nth) => `${nth}-${'a'.repeat(245)}`);
    const id = await bridge.facts.device(undefined, true, aliases);
    const device = await bridge.device(id);
    await bridge.installing(id);
    expect(await device.desired()).toMatchObject({ device: { id, aliases: [] } });
  });

  it('O7 of a device that was deleted is cleared, and rows of what no longer exists leave the outbox', async () => {
    const id = await bridge.facts.device();
    const device = await bridge.device(id);
    await bridge.installing(id);
    await device.desired();
    await asTenant(bridge.pool, 'default', (tx) => deleteDevice(tx, 'default', id, true, Date.now()));
    await device.cleared();
    const unknown = randomUUID();
    await asService(bridge.pool, (tx) =>
      mark(tx, [
        { receiver: 'document', tenantId: 'default', subject: unknown, detail: 'firmware' },
        { receiver: 'workflow', tenantId: 'gone', subject: unknown },
        { receiver: 'credential', tenantId: 'default', subject: unknown },
      ]),
    );
    await until(
      'they are gone',
      async () =>
        (await bridge.facts.sql('SELECT FROM outbox WHERE subject = ANY($1::uuid[])', [[id, unknown]])).length === 0,
    );
    expect(await published(id)).toEqual([]);
  });
});

describe('What the broker retains', () => {
  it('D15 is published again where the broker lost it', async () => {
    const id = await bridge.facts.device();
    const installation = await bridge.installing(id);
    await until('it is published', async () => (await published(id)).length === 1);
    await bridge.restartBroker();
    const device = await bridge.device(id);
    expect(await device.desired()).toMatchObject({ installationId: installation.id, revision: 1 });
    service = await asTheService();
  });

  it('D15 is compared from time to time: a document that was cleared or changed by hand is restored', async () => {
    const id = await bridge.facts.device();
    const installation = await bridge.installing(id);
    await until('it is published', async () => (await published(id)).length === 1);
    await service.publish(topicOf(id), '', { qos: 1, retain: true });
    await until('it stands again', async () => (await retained(topicOf(id)))?.['installationId'] === installation.id);
    await service.publish(topicOf(id), '{"v":1,"revision":0}', { qos: 1, retain: true });
    await until('it is as it was', async () => (await retained(topicOf(id)))?.['revision'] === 1);
  });

  it('D15 where the database was restored and knows nothing of it: what should not be there is cleared', async () => {
    const [id, stranger] = [await bridge.facts.device(), randomUUID()];
    await service.publish(topicOf(id), '{"v":1,"revision":9}', { qos: 1, retain: true });
    await service.publish(topicOf(stranger, id), '{"v":1,"revision":9}', { qos: 1, retain: true });
    await until(
      'both are cleared',
      async () => (await retained(topicOf(id))) === undefined && (await retained(topicOf(stranger, id))) === undefined,
    );
    await settled(id);
    expect([await published(id), await published(stranger)]).toEqual([[], []]);
  });

  it('D15 where it has a higher revision than a restored database knows: the document is published above it', async () => {
    const id = await bridge.facts.device();
    const device = await bridge.device(id);
    const installation = await bridge.installing(id);
    await device.desired();
    await settled(id);
    await service.publish(topicOf(id), JSON.stringify({ v: 1, revision: 30, installationId: randomUUID() }), {
      qos: 1,
      retain: true,
    });
    expect(
      await device.desired(
        id,
        'firmware',
        (one) => one['installationId'] === installation.id && (one['revision'] as number) > 30,
      ),
    ).toMatchObject({ revision: 31 });
    await settled(id);
    expect(await published(id)).toEqual([{ node: id, revision: 31 }]);
  });
});
