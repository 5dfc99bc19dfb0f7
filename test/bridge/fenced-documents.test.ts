import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { withReleasedClaims } from '../../bridge/rounds/release-claims.js';
import { planSlot } from '../../bridge/outbound/documents.js';
import { sendDocuments } from '../../bridge/outbound/send-documents.js';
import { instant, LeaseGuard } from '../../bridge/rounds/lease-guard.js';
import { holdLease, LeaseLost, releaseLease } from '../../store/db/leases.js';
import { report } from '../../store/commands/create-installation.js';
import { deleteDevice } from '../../store/commands/delete-device.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { readSlots, slotKey } from '../../store/installations/to-send.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { createLog } from '../../runtime/log.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let nth = 0;
beforeAll(async () => {
  database = await createTestDatabase('fenced documents');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const downloadUrl = (tenantId: string, id: string) => `http://127.0.0.1/${tenantId}/${id}`;
let lease: string;
let guard: LeaseGuard;
let sent: { topic: string; text: string }[];
beforeEach(async () => {
  await facts.sql('DELETE FROM outbox');
  lease = `bridge ${(nth += 1)}`;
  guard = new LeaseGuard(
    { name: lease, holder: 'one', epoch: (await holdLease(pool, lease, 'one', 60_000))! },
    50_000,
    instant(),
  );
  sent = [];
});

const send = (as = guard, during: () => Promise<void> = async () => undefined) =>
  sendDocuments({
    pool,
    guard: as,
    downloadUrl,
    now: Date.now,
    log: createLog('test', 'fatal'),
    publish: async (topic, payload) => {
      await during();
      as.assert();
      sent.push({ topic, text: payload.toString() });
    },
  });
const succeed = async () => {
  await releaseLease(pool, lease, 'one');
  await holdLease(pool, lease, 'two', 60_000);
};
const standing = (deviceId: string) =>
  facts.sql('SELECT node, revision::int FROM published_documents WHERE device_id = $1', [deviceId]);
async function offered(): Promise<string> {
  const deviceId = await facts.device();
  const installation = await facts.install(deviceId, await facts.firmware('c'));
  await asService(pool, (tx) =>
    report(
      tx,
      'default',
      { deviceId, installationId: installation.id, event: { type: 'begin' }, by: { kind: 'process' } },
      Date.now(),
    ),
  );
  return deviceId;
}

describe('The sender of documents', () => {
  it('D13 publishes nothing once another bridge leads', async () => {
    const deviceId = await offered();
    await succeed();
    await expect(send()).rejects.toMatchObject({ name: 'LeaseLost' });
    expect([sent, await standing(deviceId)]).toEqual([[], []]);
  });

  it('D13 publishes nothing once its lease is over by its own clock, also before PostgreSQL says so', async () => {
    await offered();
    const late = new LeaseGuard(guard.fence, 4_000, { monotonic: performance.now(), wall: Date.now() - 5_000 });
    await expect(send(late)).rejects.toMatchObject({ name: 'LeaseLost' });
    expect(sent).toEqual([]);
    expect(await late.during(() => Promise.reject(new Error('never begun')), 'not begun')).toBe('not begun');
  });

  it('O11 records where a document may be retained before it publishes it, and a cleared one only afterwards', async () => {
    const deviceId = await offered();
    await send(guard, async () => expect(await standing(deviceId)).toEqual([{ node: deviceId, revision: 1 }]));
    expect(sent).toHaveLength(1);
    await asTenant(pool, 'default', (tx) => deleteDevice(tx, 'default', deviceId, true, Date.now()));
    await send(guard, async () => expect(await standing(deviceId)).toHaveLength(1));
    expect([sent[1], await standing(deviceId)]).toEqual([
      { topic: `slipway/v1/default/${deviceId}/${deviceId}/down/desired/firmware`, text: '' },
      [],
    ]);
  });

  it('O9 frees what it claimed in a round that failed in the middle, instead of leaving it for half a minute', async () => {
    await offered();
    let fails = true;
    const round = withReleasedClaims(
      pool,
      'document',
      guard.fence,
      async () =>
        (await send(guard, async () => {
          if (fails) throw new LeaseLost('a round that ends here, as where PostgreSQL goes away');
        })) > 0,
    );
    await expect(round()).rejects.toMatchObject({ name: 'LeaseLost' });
    fails = false;
    expect(await round()).toBe(true);
    expect(sent).toHaveLength(1);
  });

  it('O8 sends the whole present: the same rows give the same bytes, so that sending twice is sending once', async () => {
    const deviceId = await offered();
    const plan = async () =>
      planSlot(
        (
          await asService(pool, (tx) => readSlots(tx, [{ tenantId: 'default', subject: deviceId, detail: 'firmware' }]))
        ).get(slotKey('default', deviceId, 'firmware'))!,
        downloadUrl,
      );
    const [first, second] = [await plan(), await plan()];
    expect(first.messages).toHaveLength(1);
    expect(second.messages[0]!.payload.equals(first.messages[0]!.payload)).toBe(true);
    await send();
    expect((await plan()).messages[0]!.payload.equals(first.messages[0]!.payload)).toBe(true);
  });
});
