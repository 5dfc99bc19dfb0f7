import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { InstallationEvent } from '../../domain/installation/events.js';
import { report } from '../../store/commands/create-installation.js';
import { asService } from '../../store/db/transaction.js';
import type { Reporter } from '../../store/record.js';
import { until } from '../support/until.js';
import { IngestUnderTest } from './ingest-under-test.js';

const HOUR_MS = 3_600_000;
const has = new IngestUnderTest('progress pace');
beforeAll(() => has.start());
beforeEach(() => has.begin());
afterEach(() => has.ingest.end());
afterAll(() => has.end());

/** @returns the id of an installation that this device downloads. */
async function downloading(device: string): Promise<string> {
  const { id } = await has.facts.install(device, await has.facts.firmware('c'), {});
  const happens = (event: InstallationEvent, by: Reporter) =>
    asService(has.pool, (tx) => report(tx, 'default', { deviceId: device, installationId: id, event, by }, Date.now()));
  await happens({ type: 'begin' }, { kind: 'process' });
  await happens({ type: 'downloading', attempt: 1, seq: 1 }, { kind: 'device', node: device });
  return id;
}
const progress = (device: string, installationId: string, bytes: number) =>
  has.sends(device, `${device}/up/progress`, { installationId, phase: 'download', bytes, total: 100 });
const bytes = async (id: string) =>
  (
    await has.facts.sql<{ bytes: number | null }>(
      `SELECT (progress->>'bytes')::int AS bytes FROM installations WHERE id = $1`,
      [id],
    )
  )[0]!.bytes;
const become = (id: string, expected: number) =>
  until(`${expected} bytes are told`, async () => (await bytes(id)) === expected, 60_000);
const isOnline = async (id: string) =>
  (await has.facts.sql<{ online: boolean }>('SELECT online FROM devices WHERE id = $1', [id]))[0]!.online;

describe('Progress that comes too early', () => {
  it('the newest of it is kept and sent later, independently of other devices', async () => {
    const [one, other] = (await has.devices(2)) as [string, string];
    const id = await downloading(one);
    progress(other, id, 99);
    await until('the foreign one was looked at', () => has.acknowledged.length === 1, 60_000);
    for (const at of [10, 20, 40]) progress(one, id, at);
    await become(id, 40);
    expect(has.acknowledged).toEqual([other, one, one, one]);
  }, 120_000);

  it('the newest follows also where the clock was set back by two hours meanwhile', async () => {
    const [one] = (await has.devices(1)) as [string];
    const id = await downloading(one);
    progress(one, id, 10);
    await become(id, 10);
    has.aheadMs = -2 * HOUR_MS;
    progress(one, id, 40);
    await become(id, 40);
  }, 120_000);

  it.each([
    ['said presence false', (id: string) => [`${id}/up/presence`, { online: false, session: 's' }] as const],
    ['lost its connection', () => ['ended', {}] as const],
  ])(
    'is dropped where the device %s since: it stays offline',
    async (_, end) => {
      const [gone, other] = (await has.devices(2)) as [string, string];
      const [id, ofOther] = [await downloading(gone), await downloading(other)];
      for (const at of [10, 15]) progress(gone, id, at);
      for (const at of [10, 15]) progress(other, ofOther, at);
      const [rest, body] = end(gone);
      has.sends(gone, rest, body, 'end');
      await until('the end is recorded', () => has.acknowledged.includes('end'), 60_000);
      await become(ofOther, 15);
      await has.ingest.end();
      expect(await isOnline(gone)).toBe(false);
    },
    180_000,
  );
});
