import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createInstallationActivities } from '../../activities/installation.js';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';
import { uploaded } from './upload.js';

let api: ApiUnderTest;
let type: string;
let firmware: string;
beforeAll(async () => {
  api = await startApi('api_timeline');
  type = (
    await api.call('POST', '/v1/device-types', {
      name: 'Switch',
      slots: { firmware: { name: 'F' }, bootloader: { name: 'B' } },
    })
  ).body.data.id;
  firmware = await uploaded(api, randomBytes(1000));
  expect(
    (await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: firmware }))
      .status,
  ).toBe(201);
});
afterAll(() => api.close());

async function device(): Promise<string> {
  return (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id as string;
}

const timeline = (id: string, query = ''): Promise<Reply> => api.call('GET', `/v1/devices/${id}/timeline${query}`);
const sentences = (reply: Reply): string[] =>
  (reply.body.data.entries as { sentence: string }[]).map((one) => one.sentence);
const slot = (reply: Reply, name: string) =>
  (
    reply.body.data.now as {
      slot: string;
      version: string | null;
      why: string;
      whyNow: string | null;
      waitingOn: string[];
    }[]
  ).find((one) => one.slot === name)!;

describe('the timeline of a device', () => {
  it('of an unknown state says so for each slot, and has no entries', async () => {
    const reply = await timeline(await device());
    expect(reply.status).toBe(200);
    expect(reply.body.data.entries).toEqual([]);
    expect(slot(reply, 'bootloader')).toEqual({
      slot: 'bootloader',
      version: null,
      why: 'The device has not reported what slot "bootloader" holds.',
      whyNow: null,
      waitingOn: [],
    });
  });

  it('says why something changes now, what it waits for, and what happened, newest first', async () => {
    const id = await device();
    const path = `/v1/devices/${id}/firmware-installations`;
    const { body: made } = await api.call('POST', path, { firmwareId: firmware, slot: 'firmware' });
    const open = await timeline(id);
    expect(slot(open, 'firmware').whyNow).toMatch(/^Operator key:.* requested 1\.5\.0 at 2/);
    expect(slot(open, 'firmware').waitingOn).toEqual([expect.stringMatching(/^Waiting for .*\.$/)]);

    await api.call('PATCH', `${path}/${made.data.id}`, { startedAt: new Date().toISOString() });
    await api.call('PATCH', `${path}/${made.data.id}`, { completedAt: new Date().toISOString() });
    const done = await timeline(id);
    expect(slot(done, 'firmware')).toMatchObject({ version: '1.5.0', whyNow: null, waitingOn: [] });
    expect(slot(done, 'firmware').why).toMatch(
      /^Slot "firmware" holds 1\.5\.0, because operator key:.* requested it at 2/,
    );
    const told = sentences(done);
    expect(told.at(-1)).toMatch(/^Operator key:.* requested firmware 1\.5\.0 for slot "firmware"\.$/);
    expect(told).toContain('Firmware 1.5.0 is installed.');
    const entries = done.body.data.entries as { at: string; installationId: string }[];
    expect(entries.map((one) => one.at)).toEqual(
      entries
        .map((one) => one.at)
        .sort()
        .reverse(),
    );
    expect(entries.at(-1)!.installationId).toBe(made.data.id);
  });

  it('puts no words into the mouth of a device that never connected', async () => {
    const id = await device();
    const path = `/v1/devices/${id}/firmware-installations`;
    const { body: made } = await api.call('POST', path, { firmwareId: firmware, slot: 'firmware' });
    const [tenantId, installationId] = ['default', made.data.id as string];
    // The offer gives the slot a revision, and nothing else.
    await createInstallationActivities({ pool: api.pool, now: Date.now }).makeOffer({
      tenantId,
      deviceId: id,
      installationId,
    });
    const offered = await timeline(id);
    expect(slot(offered, 'firmware').why).toBe('The device has not reported what slot "firmware" holds.');
    const slots = (await api.call('GET', `/v1/devices/${id}/slots`)).body.data as { slot: string; current: unknown }[];
    expect(slots.find((one) => one.slot === 'firmware')!.current).toBeNull();

    await api.call('PATCH', `${path}/${installationId}`, { startedAt: new Date().toISOString() });
    await api.call('PATCH', `${path}/${installationId}`, { completedAt: new Date().toISOString() });
    const done = await timeline(id);
    expect(slot(done, 'firmware').why).toMatch(/; operator key:.* reported that it is installed\.$/);
    const told = sentences(done);
    expect(told.filter((sentence) => /^The device/.test(sentence))).toEqual([]);
    expect(told).toContainEqual(
      expect.stringMatching(/^Operator key:.* reported that slot "firmware" holds 1\.5\.0\.$/),
    );
  });

  it('is read on by its cursor: each entry once', async () => {
    const id = await device();
    const { body: made } = await api.call('POST', `/v1/devices/${id}/firmware-installations`, {
      firmwareId: firmware,
      slot: 'firmware',
    });
    await api.call('POST', `/v1/devices/${id}/firmware-installations/${made.data.id}/cancel`, {
      reason: 'wrong version',
    });
    const all = sentences(await timeline(id));
    expect(all.length).toBeGreaterThan(1);
    const read: string[] = [];
    for (let cursor = ''; ;) {
      const page = await timeline(id, `?pageSize=1${cursor}`);
      read.push(...sentences(page));
      if (page.body.meta.nextCursor === undefined) break;
      cursor = `&cursor=${String(page.body.meta.nextCursor)}`;
    }
    expect(read).toEqual(all);
    expect(all.join(' ')).toContain('wrong version');
  });

  it('of an unknown or foreign device is 404; an invalid cursor is refused', async () => {
    const unknown = await timeline(randomUUID());
    expect(unknown.body.errorCode).toBe('DEVICE_NOT_FOUND');
    const id = await device();
    const stranger = await api.as({ tenantId: 'other' });
    expect((await stranger.call('GET', `/v1/devices/${id}/timeline`)).body.errorCode).toBe('DEVICE_NOT_FOUND');
    const bad = await timeline(id, '?cursor=WzEsMl0');
    expect([bad.status, bad.body.errors[0].pointer]).toEqual([400, '/query/cursor']);
  });
});
