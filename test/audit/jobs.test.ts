import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { uploaded } from '../api/upload.js';
import { Audited, type Entry } from './audited.js';

let api: ApiUnderTest;
let audited: Audited;
let type: string;
beforeAll(async () => {
  api = await startApi('audit of jobs', { runsJobs: true });
  audited = await Audited.over(api);
  const made = await api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } });
  type = made.body.data.id as string;
}, 60_000);
afterAll(() => api.close());

async function ended(path: string, body: unknown, headers: Record<string, string> = {}): Promise<string> {
  const reply = await api.call('POST', path, body, { 'x-request-id': 'night-shift', ...headers });
  const { id } = reply.body.data as { id: string };
  await until('the job ends', async () => (await api.call('GET', `/v1/jobs/${id}`)).body.data.endedAt !== null);
  return id;
}
const bulk = (body: object): Promise<string> => ended('/v1/devices/bulk', body);
const newDevice = async (name: string): Promise<string> =>
  (await api.call('POST', '/v1/devices', { info: { name, deviceTypeId: type } })).body.data.id as string;
const ofDevice = (id: string): Promise<Entry[]> => audited.entries(`&resource=device/${id}`);

describe('The audit of an action by filter', () => {
  it('says of each device that was deleted by whom, by which job, and what it was', async () => {
    const ids = [await newDevice('gone-1'), await newDevice('gone-2')];
    const job = await bulk({ action: 'delete', filter: 'name==gone-*' });
    for (const [index, id] of ids.entries())
      expect((await ofDevice(id))[0]).toMatchObject({
        action: 'device.delete',
        actor: 'key:bootstrap',
        from: { address: expect.stringContaining('127.0.0.1'), credential: api.keyId },
        requestId: 'night-shift',
        asked: { job },
        before: { name: `gone-${index + 1}` },
      });
  });

  it('says of each device which tag or attribute was changed, and nothing of those that had it already', async () => {
    const id = await newDevice('marked');
    const filter = 'name==marked';
    const job = await bulk({ action: 'tag', tag: 'night', filter });
    await bulk({ action: 'tag', tag: 'night', filter });
    await bulk({ action: 'setAttribute', key: 'site', value: 'north', filter });
    await bulk({ action: 'untag', tag: 'night', filter });
    const entries = (await ofDevice(id)).filter(({ action }) => action === 'device.change');
    expect(entries).toMatchObject([
      { before: { tags: ['night'] }, after: { tags: [] } },
      { before: { custom: { site: null } }, after: { custom: { site: 'north' } } },
      { before: { tags: [] }, after: { tags: ['night'] }, asked: { job } },
    ]);
  });

  it('says of each installation that was cancelled or asked for again by which job', async () => {
    const firmwareId = await uploaded(api, randomBytes(100));
    await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId });
    const id = await newDevice('cancelled');
    const made = await api.call('POST', `/v1/devices/${id}/firmware-installations`, { firmwareId, slot: 'firmware' });
    const installation = made.body.data.id as string;
    const cancelled = await bulk({ action: 'cancel', filter: 'name==cancelled', reason: 'wrong file' });
    const entries = await audited.entries(`&resource=installation/${installation}`);
    expect(entries[0]).toMatchObject({ action: 'installation.cancel', asked: { job: cancelled } });
    const again = await bulk({ action: 'retry', filter: 'name==cancelled' });
    const [retried] = await audited.entries('&action=installation.retry');
    expect(retried).toMatchObject({ asked: { job: again }, after: { deviceId: id, retryOf: installation } });
  });
});

describe('The audit of an import', () => {
  it('has an entry for each device that it changed, and one for the job with those that it made', async () => {
    const lines = { 'content-type': 'application/x-ndjson' };
    const row = (name: string, alias: string) => ({ info: { name, deviceTypeId: type, aliases: [alias] } });
    await ended('/v1/devices/import', JSON.stringify(row('first', 'a')), lines);
    const file = [row('changed', 'a'), row('second', 'b')].map((one) => JSON.stringify(one)).join('\n');
    const job = await ended('/v1/devices/import?onConflict=update', file, lines);
    const found = (await api.call('GET', '/v1/devices?filter=name=in=(changed,second)&sort=name')).body.data as {
      id: string;
    }[];
    expect((await ofDevice(found[0]!.id))[0]).toMatchObject({
      action: 'device.change',
      asked: { job },
      before: { name: 'first' },
      after: { name: 'changed' },
    });
    expect(await ofDevice(found[1]!.id)).toEqual([]);
    expect((await audited.entries(`&resource=job/${job}`))[0]).toMatchObject({ action: 'job.import' });
  });
});
