import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiUnderTest } from './api-under-test.js';
import { ago, ApiWithFirmware, idsOf } from './api-with-firmware.js';
import { uploaded } from './upload.js';

let on: ApiWithFirmware;
let api: ApiUnderTest;
beforeAll(async () => {
  on = await ApiWithFirmware.start('api_installation_commands');
  api = on.api;
});
afterAll(() => on.close());

describe('cancel, release and retry', () => {
  it('cancel answers 202, keeps the reason, and may be repeated', async () => {
    const device = await on.register();
    const id = await device.install();
    expect(await device.call('POST', `/${id}/cancel`, { reason: 'wrong version' })).toMatchObject({
      status: 202,
      body: { data: { state: 'canceled', rejectReason: 'wrong version', rejectedAt: expect.any(String) } },
    });
    expect((await device.call('POST', `/${id}/cancel`)).status).toBe(202);
    expect((await device.call('POST', `/${id}/cancel`, { why: 'x' })).status).toBe(400);
  });

  it('cancel of what ended otherwise is refused', async () => {
    const device = await on.register();
    const id = await device.install();
    await device.report(id, { completedAt: ago(0) });
    expect(await device.call('POST', `/${id}/cancel`)).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_INSTALLATION_STATE' },
    });
  });

  it('release opens the gate, once and for all', async () => {
    const device = await on.register();
    const id = await device.install({ gate: 'hold' });
    for (let time = 0; time < 2; time += 1)
      expect(await device.call('POST', `/${id}/release`)).toMatchObject({
        status: 202,
        body: { data: { gate: 'go' } },
      });
    await device.call('POST', `/${id}/cancel`);
    expect((await device.call('POST', `/${id}/release`)).status).toBe(409);
  });

  it('retry makes a new installation like the old one, but only of one that ended', async () => {
    const device = await on.register();
    const id = await device.install({ priority: 3, soak: 'PT1M' });
    expect(await device.call('POST', `/${id}/retry`)).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_INSTALLATION_STATE' },
    });
    await device.report(id, { rejectedAt: ago(0) });
    const again = await device.call('POST', `/${id}/retry`);
    expect(again).toMatchObject({
      status: 201,
      body: {
        data: { retryOf: id, firmwareId: on.firmware, slot: 'firmware', priority: 3, soak: 'PT1M', state: 'scheduled' },
      },
    });
    expect(again.body.data.id).not.toBe(id);
  });
});

describe('another installation on the same slot', () => {
  it('waits, is refused, or supersedes, as onConflict says', async () => {
    const device = await on.register();
    const first = await device.install();
    await device.install();
    expect(await device.post({ onConflict: 'reject' })).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_INSTALLATION_CONFLICT' },
    });
    expect((await device.post({ onConflict: 'reject', slot: 'bootloader' })).status).toBe(201);
    await device.install({ onConflict: 'supersede' });
    expect((await device.call('GET', `/${first}`)).body.data.state).toBe('superseded');
  });
});

describe('lists', () => {
  it('count content that the slot holds already as installed at once', async () => {
    const device = await on.register();
    await device.report(await device.install(), { completedAt: ago(0) });
    expect((await device.post()).body.data).toMatchObject({
      state: 'installed',
      alreadyInstalled: true,
      completedAt: expect.any(String),
      waitingOn: null,
    });
  });

  it('show the installations of a device newest first, or what its slots hold now', async () => {
    const device = await on.register();
    const done: string[] = [];
    const newer = await uploaded(api, randomBytes(1000));
    await on.associate(newer, 'firmware');
    for (const [slot, firmwareId] of [
      ['firmware', on.firmware],
      ['bootloader', on.firmware],
      ['firmware', newer],
    ]) {
      const id = await device.install({ slot, firmwareId });
      // Each by a clock that lags more: what the slot holds is what was reported last, whatever the reporter's clock
      // says.
      await device.report(id, { completedAt: ago(60_000 * (done.length + 1)) });
      done.push(id);
    }
    const failed = await device.install();
    await device.report(failed, { rejectedAt: ago(0) });
    const ids = async (query: string) => idsOf(await device.call('GET', query));
    expect(await ids('')).toEqual([failed, done[2], done[1], done[0]]);
    expect(await ids('?latestOnly=false&pageSize=2&page=1')).toEqual([done[1], done[0]]);
    expect((await ids('?latestOnly=true')).sort()).toEqual([done[1], done[2]].sort());
    expect((await device.call('GET', '?latestOnly=maybe')).status).toBe(400);
  });

  it('go across devices, by state, slot and rollout, as comma lists', async () => {
    const tenant = await api.as({ tenantId: 'other' });
    expect((await tenant.call('GET', '/v1/firmware-installations')).body).toEqual({
      data: [],
      meta: { page: 0, pageSize: 20, itemsTotal: 0, pagesTotal: 0 },
    });
    const device = await on.register();
    const open = await device.install({ slot: 'bootloader' });
    const canceled = await device.install({ slot: 'bootloader' });
    await device.call('POST', `/${canceled}/cancel`);
    const ids = async (query: string) =>
      idsOf(await api.call('GET', `/v1/firmware-installations?pageSize=100&${query}`));
    expect(await ids('')).toEqual(expect.arrayContaining([open, canceled]));
    expect(await ids('state=canceled,superseded&slot=bootloader')).toEqual([canceled]);
    expect(await ids('state=scheduled,queued')).not.toContain(canceled);
    expect(await ids('state=&slot=&rolloutId=')).toEqual(await ids(''));
    expect(await ids(`rolloutId=${randomUUID()}`)).toEqual([]);
    expect(await api.call('GET', '/v1/firmware-installations?state=done')).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/query/state/0' }] },
    });
    expect((await api.call('GET', '/v1/firmware-installations?rolloutId=x')).status).toBe(400);
  });
});
