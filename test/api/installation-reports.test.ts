import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiUnderTest } from './api-under-test.js';
import { ago, ApiWithFirmware } from './api-with-firmware.js';

let on: ApiWithFirmware;
let api: ApiUnderTest;
beforeAll(async () => {
  on = await ApiWithFirmware.start('api_installation_reports');
  api = on.api;
});
afterAll(() => on.close());

describe('a report by PATCH', () => {
  it('brings an installation from requested to completed, and is read back as it was written', async () => {
    const device = await on.register();
    const id = await device.install();
    const [startedAt, completedAt] = [ago(2000), ago(1000)];
    const started = await device.report(id, { startedAt });
    expect(started).toMatchObject({ status: 200, body: { data: { id, state: 'accepted', startedAt } } });
    expect(started.body.data).not.toHaveProperty('completedAt');
    const completed = await device.report(id, { completedAt });
    expect(completed.body.data).toMatchObject({
      state: 'installed',
      startedAt,
      completedAt,
      waitingOn: null,
      nextActionAt: null,
    });
    expect((completed.body.data.history as { event: string }[]).map((entry) => entry.event)).toEqual([
      'requested',
      'accepted',
      'installed',
    ]);
    expect((await device.call('GET', `/${id}`)).body).toEqual(completed.body);
  });

  it('again changes nothing: the first time stays', async () => {
    const device = await on.register();
    const id = await device.install();
    const [startedAt, completedAt] = [ago(5000), ago(3000)];
    for (const later of [startedAt, ago(0)])
      expect((await device.report(id, { startedAt: later })).body.data.startedAt).toBe(startedAt);
    for (const later of [completedAt, ago(0)])
      expect(await device.report(id, { completedAt: later })).toMatchObject({
        status: 200,
        body: { data: { completedAt } },
      });
    const repeated = await device.report(id, { startedAt: ago(0) });
    expect(repeated).toMatchObject({ status: 200, body: { data: { startedAt, state: 'installed' } } });
    expect(repeated.body.data.history).toHaveLength(3);
  });

  it('of a rejection ends it for good, with the reason', async () => {
    const device = await on.register();
    const id = await device.install();
    const rejectedAt = ago(1000);
    const rejected = await device.report(id, { rejectedAt, rejectReason: 'not on my watch' });
    expect(rejected).toMatchObject({
      status: 200,
      body: { data: { state: 'rejected', rejectedAt, rejectReason: 'not on my watch' } },
    });
    expect((await device.report(id, { rejectedAt: ago(0) })).body.data.rejectedAt).toBe(rejectedAt);
    for (const body of [{ completedAt: ago(0) }, { startedAt: ago(0) }]) {
      expect(await device.report(id, body)).toMatchObject({
        status: 409,
        body: { errorCode: 'FIRMWARE_INSTALLATION_STATE', state: 'rejected' },
      });
    }
  });

  it('of a rejection after a completion is refused', async () => {
    const device = await on.register();
    const id = await device.install();
    await device.report(id, { completedAt: ago(0) });
    expect((await device.report(id, { rejectedAt: ago(0) })).status).toBe(409);
  });

  it('may be sent as a merge patch', async () => {
    const device = await on.register();
    const path = `/v1/devices/${device.id}/firmware-installations/${await device.install()}`;
    expect(
      (await api.call('PATCH', path, { startedAt: ago(0) }, { 'content-type': 'application/merge-patch+json' })).status,
    ).toBe(200);
  });

  it('by a clock that was never set, or that runs ahead, counts from its receipt', async () => {
    const device = await on.register();
    for (const startedAt of ['1970-01-01T00:00:07Z', '2999-01-01T00:00:00Z']) {
      const { data } = (await device.report(await device.install(), { startedAt })).body;
      expect(Math.abs(Date.parse(data.startedAt) - Date.now())).toBeLessThan(10_000);
    }
  });

  it.each([
    ['nothing', {}, ''],
    ['two members', { startedAt: ago(0), completedAt: ago(0) }, ''],
    ['a reason alone', { rejectReason: 'x' }, ''],
    ['a reason for what completed', { completedAt: ago(0), rejectReason: 'x' }, '/rejectReason'],
    ['a reason of 256 characters', { rejectedAt: ago(0), rejectReason: 'x'.repeat(256) }, '/rejectReason'],
    ['an invalid time', { startedAt: 'now' }, '/startedAt'],
    ['null', { startedAt: null }, '/startedAt'],
    ['a state', { state: 'installed' }, '/state'],
  ])('with %s is refused', async (_what, body, pointer) => {
    const device = await on.register();
    const reply = await device.report(await device.install(), body);
    expect(reply).toMatchObject({ status: 400, body: { errorCode: 'FIRMWARE_VALIDATION' } });
    expect((reply.body.errors as { pointer: string }[]).map((fault) => fault.pointer)).toContain(pointer);
  });

  it('needs the permissions to read and to write', async () => {
    const device = await on.register();
    const id = await device.install();
    const reader = await api.as({ role: 'reader' });
    const path = `/v1/devices/${device.id}/firmware-installations/${id}`;
    expect((await reader.call('GET', path)).status).toBe(200);
    expect(await reader.call('PATCH', path, { startedAt: ago(0) })).toMatchObject({
      status: 403,
      body: { errorCode: 'AUTH_FORBIDDEN' },
    });
    expect((await reader.call('POST', `${path}/cancel`)).status).toBe(403);
  });
});
