import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { InstallationEvent } from '../../domain/installation/events.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { record, type Report } from '../../store/record.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { listOfDevice, readInstallation, type InstallationView } from '../../store/commands/create-installation.js';
import { cancelAllOf } from '../../store/commands/report.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let firmware: string;
let other: string;

beforeAll(async () => {
  database = await createTestDatabase('record');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  firmware = await facts.firmware('a');
  other = await facts.firmware('b');
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const from = (node: string) => ({ kind: 'device' as const, node });
const about = (installation: InstallationView, event: InstallationEvent, node = installation.deviceId): Report => ({
  tenantId: 'default',
  deviceId: installation.deviceId,
  from: from(node),
  kind: 'event',
  installationId: installation.id,
  event,
});
const begin = (one: InstallationView): Report => ({ ...about(one, { type: 'begin' }), from: { kind: 'process' } });
const say = (...reports: Report[]) => asService(pool, (tx) => record(tx, reports, Date.now()));
const see = async (one: InstallationView) =>
  (await asTenant(pool, 'default', (tx) => readInstallation(tx, 'default', one.deviceId, one.id)))!;
const marks = (subject: string) =>
  facts.sql<{ receiver: string; generation: string }>(
    `SELECT receiver, generation, due_at > now() AS later FROM outbox WHERE subject = $1 ORDER BY receiver`,
    [subject],
  );

describe('The single write path for reports', () => {
  it('takes reports of many devices in one transaction, and answers each in its place', async () => {
    const [one, two] = [
      await facts.install(await facts.device(), firmware),
      await facts.install(await facts.device(), firmware),
    ];
    const answers = await say(
      begin(one),
      begin(two),
      about(one, { type: 'accepted', attempt: 1, seq: 1 }),
      about(two, { type: 'installed', attempt: 1, seq: 1 }),
      about(two, { type: 'failed', attempt: 1, seq: 2 }),
      about(one, { type: 'accepted', attempt: 7, seq: 1 }),
    );
    expect(answers.map((answer) => (answer.outcome === 'refused' ? answer.reason : answer.outcome))).toEqual([
      'applied',
      'applied',
      'applied',
      'applied',
      'ended',
      'unknown_attempt',
    ]);
    expect((await see(one)).state).toBe('accepted');
    expect((await see(two)).state).toBe('installed');
  });

  it('writes what happened into the history, with who said it', async () => {
    const one = await facts.install(await facts.device(), firmware);
    await say(begin(one));
    await say(about(one, { type: 'installed', attempt: 1, seq: 4 }));
    expect((await see(one)).history.map(({ event, data }) => [event, data.by])).toEqual([
      ['requested', 'operator:key:test'],
      ['delivered', 'process'],
      ['installed', `device:${one.deviceId}`],
    ]);
  });

  it("refuses a report about another gateway's child, and takes it from a gateway of its chain", async () => {
    const [top, stranger] = [await facts.device(), await facts.device()];
    const child = await facts.device(await facts.device(top), false);
    const one = await facts.install(child, firmware);
    const [refused, taken] = await say(
      about(one, { type: 'accepted' }, stranger),
      about(one, { type: 'accepted' }, top),
    );
    expect(refused).toEqual({ outcome: 'refused', reason: 'forbidden' });
    expect(taken!.outcome).toBe('applied');
  });

  it('refuses what names an unknown device or installation', async () => {
    const one = await facts.install(await facts.device(), firmware);
    const answers = await say(
      about({ ...one, id: randomUUID() }, { type: 'accepted' }),
      { ...about(one, { type: 'accepted' }), deviceId: randomUUID() },
      { ...about(one, { type: 'accepted' }), tenantId: 'elsewhere' },
    );
    expect(answers.map((answer) => answer.outcome === 'refused' && answer.reason)).toEqual([
      'unknown_installation',
      'unknown_device',
      'unknown_device',
    ]);
  });

  it('keeps what a hello says of the slots that the type has, and of no others', async () => {
    const device = await facts.device();
    const slot = { version: '0.9', sha256: 'c'.repeat(64), installationId: null, revision: 4, confirmed: true };
    await say({
      tenantId: 'default',
      deviceId: device,
      from: from(device),
      kind: 'hello',
      hello: { slots: { firmware: slot, nonsense: slot } },
    });
    expect(await facts.sql(`SELECT slot, version, revision FROM device_slots WHERE device_id = $1`, [device])).toEqual([
      { slot: 'firmware', version: '0.9', revision: '4' },
    ]);
    expect(await facts.sql(`SELECT online FROM devices WHERE id = $1`, [device])).toEqual([{ online: true }]);
  });
});

describe('Marks in the outbox are a difference', () => {
  it('O6 a request marks its process, an offer its document', async () => {
    const one = await facts.install(await facts.device(), firmware);
    expect(await marks(one.id)).toMatchObject([{ receiver: 'workflow', generation: '1' }]);
    await say(begin(one));
    expect((await marks(one.deviceId)).filter((mark) => mark.receiver !== 'credential')).toMatchObject([
      { receiver: 'document', generation: '1' },
    ]);
    expect(await marks(one.id)).toMatchObject([{ generation: '1' }]);
  });

  it('a report that only moves the deadline forward marks the process for that time, not for now', async () => {
    const one = await facts.install(await facts.device(), firmware);
    await say(begin(one));
    await facts.sql(`DELETE FROM outbox WHERE subject = $1`, [one.id]);
    await say(about(one, { type: 'accepted', attempt: 1, seq: 1 }));
    expect(await marks(one.id)).toMatchObject([{ receiver: 'workflow', later: true }]);
    await say(about(one, { type: 'installed', attempt: 1, seq: 2 }));
    expect(await marks(one.id)).toMatchObject([{ receiver: 'workflow', generation: '2', later: false }]);
  });

  it('O6 a repetition marks nothing', async () => {
    const one = await facts.install(await facts.device(), firmware);
    await say(begin(one), about(one, { type: 'downloaded', attempt: 1, seq: 1 }));
    const before = await marks(one.id);
    await say(
      about(one, { type: 'downloaded', attempt: 1, seq: 1 }),
      about(one, { type: 'accepted', attempt: 1, seq: 1 }),
    );
    expect(await marks(one.id)).toEqual(before);
  });

  it('a conclusion gives the turn to the next in the queue and signals its process', async () => {
    const device = await facts.device();
    const [one, two] = [await facts.install(device, firmware), await facts.install(device, other)];
    await say(begin(one), begin(two));
    await facts.sql(`DELETE FROM outbox WHERE subject = $1`, [two.id]);
    await say(about(one, { type: 'installed', attempt: 1, seq: 1 }));
    expect(await see(two)).toMatchObject({ state: 'queued', executing: true });
    expect(await marks(two.id)).toMatchObject([{ receiver: 'workflow', later: false }]);
  });

  it('everything open on a device is cancelled before it is deleted', async () => {
    const device = await facts.device();
    const [one, two] = [await facts.install(device, firmware), await facts.install(device, other)];
    await say(begin(one), begin(two));
    await asTenant(pool, 'default', (tx) => cancelAllOf(tx, 'default', device, Date.now()));
    expect((await see(one)).cancel).toMatchObject({ as: 'canceled' });
    expect((await see(two)).state).toBe('canceled');
  });
});

describe('Many writers at once', () => {
  it('never deadlock, never let two execute on one device, and lose no report', async () => {
    const devices = await Promise.all(Array.from({ length: 6 }, () => facts.device()));
    const all = (
      await Promise.all(
        devices.map(async (device) =>
          Promise.all([1, 2, 3].map((n) => facts.install(device, n % 2 ? firmware : other))),
        ),
      )
    ).flat();
    const rounds = Array.from({ length: 12 }, (_, round) =>
      all
        .filter((__, index) => (index + round) % 3 !== 0)
        .map((one) => (round % 2 ? about(one, { type: 'accepted' }) : begin(one)))
        .sort(() => (round % 3) - 1),
    );
    await Promise.all(rounds.map((reports) => say(...reports)));
    const doubles = await facts.sql(
      `SELECT device_id FROM installations WHERE executing GROUP BY tenant_id, device_id HAVING count(*) > 1`,
    );
    expect(doubles).toEqual([]);
    for (let turn = 0; turn < 3; turn += 1) await Promise.all(devices.map((device) => finishTurn(device)));
    const ended = await Promise.all(
      devices.map((device) =>
        asTenant(pool, 'default', (tx) =>
          listOfDevice(tx, 'default', device, { latestOnly: false }, { page: 0, pageSize: 20 }),
        ),
      ),
    );
    expect(ended.flatMap((page) => page.items.map((one) => one.state))).toEqual(Array<string>(18).fill('installed'));
  });

  async function finishTurn(device: string): Promise<void> {
    const [executing] = await facts.sql<{ id: string }>(
      `SELECT id FROM installations WHERE device_id = $1 AND executing`,
      [device],
    );
    const one = { id: executing!.id, deviceId: device } as InstallationView;
    await say(begin(one), about(one, { type: 'installed' }));
  }
});
