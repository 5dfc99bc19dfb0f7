import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startEmbeddedBroker, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { keepDiagnostics } from '../../store/fleet/diagnostics.js';
import { addCounts, MESSAGES_REFUSED, readCounts } from '../../store/db/counters.js';
import { readDiagnostics } from '../../store/fleet/diagnostics-read.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { BrokerRefusals } from '../../adapters/broker/refusals.js';
import { createLog } from '../../runtime/log.js';
import { CounterBuffer } from '../../runtime/counter-buffer.js';
import { DeviceClient } from '../contract/broker-clients.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { until } from '../support/until.js';

const log = createLog('test', 'fatal');
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let counters: CounterBuffer;
let refusals: BrokerRefusals;
let broker: EmbeddedBroker;
const clients: DeviceClient[] = [];

beforeAll(async () => {
  database = await createTestDatabase('broker refusals');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  counters = new CounterBuffer((counts) => addCounts(pool, counts), log, 200);
  refusals = new BrokerRefusals(
    {
      count: (reason) => counters.count(MESSAGES_REFUSED, reason, 1),
      keep: (refused) => asService(pool, (tx) => keepDiagnostics(tx, refused)),
    },
    log,
    Date.now,
  );
  broker = await startEmbeddedBroker({
    host: '127.0.0.1',
    port: 0,
    log,
    onRefused: (refused) => refusals.add(refused),
    authenticate: async (username) => {
      const node = parseUsername(username);
      return node ? { identity: { kind: 'device', ...node } } : null;
    },
  });
});
afterAll(async () => {
  for (const client of clients) client.cut();
  await broker.close();
  await refusals.end();
  await counters.end();
  await pool.end();
  await database.drop();
});

async function device(will?: { topic: string; payload: Buffer }): Promise<{ id: string; client: DeviceClient }> {
  const id = await facts.device();
  const client = await DeviceClient.connect(
    `mqtt://127.0.0.1:${broker.port}`,
    { username: `default/${id}`, password: 'x' },
    will ? { will: { ...will, qos: 1, retain: false } } : {},
  );
  clients.push(client);
  return { id, client };
}
const entries = (id: string) => asTenant(pool, 'default', (tx) => readDiagnostics(tx, 'default', id));
const kept = (id: string, reason: string) =>
  until(`an entry "${reason}"`, async () => (await entries(id)).find((one) => one.reason === reason));

describe('What the embedded broker refuses', () => {
  it('D5 a message on a foreign topic is kept for last-diagnostics of the sender, with topic and payload, and counted', async () => {
    const { id, client } = await device();
    const victim = await facts.device();
    const topic = `slipway/v1/default/${victim}/${victim}/up/status`;
    await client.publish(topic, '{"v":1}');
    expect(await kept(id, 'foreign_topic')).toMatchObject({
      topic,
      payload: '{"v":1}',
      detail: expect.stringMatching(/may not publish there/),
    });
    expect(await entries(victim)).toEqual([]);
    await until(
      'it is counted',
      async () =>
        (await readCounts(pool)).find((one) => one.name === MESSAGES_REFUSED && one.reason === 'foreign_topic')
          ?.value === 1,
    );
  });

  it('D5 a subscription that is granted and never delivered to is kept, too', async () => {
    const { id, client } = await device();
    await client.subscribe('slipway/v1/#');
    expect(await kept(id, 'foreign_subscription')).toMatchObject({ topic: 'slipway/v1/#' });
  });

  it('D5 a last will on a foreign topic', async () => {
    const { id, client } = await device({ topic: 'slipway/v1/other/x/x/up/presence', payload: Buffer.from('{}') });
    client.cut();
    expect(await kept(id, 'foreign_topic')).toMatchObject({ detail: expect.stringMatching(/last will/) });
  });

  it("D5 a packet over the broker's limit: the connection is cut, and the device's engineer finds out why", async () => {
    const { id, client } = await device();
    void client.publish(`slipway/v1/default/${id}/${id}/up/log`, 'x'.repeat(70_000)).catch(() => undefined);
    expect(await kept(id, 'too_large')).toMatchObject({
      detail: expect.stringMatching(/over the limit of 65536 bytes; the connection was cut/),
    });
    await until('it is cut off', () => client.closed);
  });

  it('D5 of one device, a hundred a second are kept, and every one is counted', async () => {
    const { id, client } = await device();
    const before = (await readCounts(pool)).find((one) => one.reason === 'foreign_topic')?.value ?? 0;
    for (let nth = 0; nth < 300; nth += 1) await client.publish('slipway/v1/elsewhere', `${nth}`, { qos: 0 });
    await until(
      'all are counted',
      async () => (await readCounts(pool)).find((one) => one.reason === 'foreign_topic')?.value === before + 300,
    );
    await kept(id, 'foreign_topic');
    expect((await entries(id)).length).toBeLessThanOrEqual(100);
  });
});
