import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expireDrafts } from '../../store/fleet/firmwares.js';
import type { ApiUnderTest, Client } from './api-under-test.js';
import { ago, ApiWithFirmware } from './api-with-firmware.js';
import { newFirmware } from './upload.js';

let on: ApiWithFirmware;
let api: ApiUnderTest;
beforeAll(async () => {
  on = await ApiWithFirmware.start('api_installations');
  api = on.api;
});
afterAll(() => on.close());

describe('an installation', () => {
  it('is created with firmwareId and slot alone; shows the members of the contract, and times only for what happened', async () => {
    const device = await on.register();
    const made = await device.post();
    expect(made.status).toBe(201);
    const { data } = made.body;
    expect(data).toMatchObject({
      deviceId: device.id,
      firmwareId: on.firmware,
      slot: 'firmware',
      state: 'scheduled',
      attempt: 1,
      progress: null,
      alreadyInstalled: false,
      rolloutId: null,
      requestedBy: 'key:bootstrap',
      priority: 0,
      gate: 'go',
      timeouts: { offer: 'P7D', download: 'PT1H', install: 'PT30M', confirm: 'PT15M' },
      soak: 'PT0S',
      retry: { maxAttempts: 3, backoff: { first: 'PT10S', factor: 2, max: 'PT10M' } },
      waitingOn: expect.stringMatching(/^Waiting for /),
      workflowUrl: null,
      history: [{ at: data.requestedAt, event: 'requested', data: { by: 'operator:key:bootstrap', slot: 'firmware' } }],
    });
    for (const member of ['startedAt', 'completedAt', 'rejectedAt', 'rejectReason'])
      expect(data).not.toHaveProperty(member);
    expect((await device.call('GET', `/${data.id}`)).body).toEqual(made.body);
    const { rows } = await api.pool.query(`SELECT receiver FROM outbox WHERE subject = $1`, [data.id]);
    expect(rows).toEqual([{ receiver: 'workflow' }]);
  });

  it('takes everything that may be asked of it, and shows it', async () => {
    const asked = {
      notBefore: '2027-01-01T00:00:00.000Z',
      deadline: '2027-02-01T00:00:00.000Z',
      priority: -5,
      gate: 'hold',
      soak: 'PT10M',
      timeouts: { offer: 'P1D', download: 'PT90S', install: 'PT2M', confirm: 'PT0.5S' },
      retry: { maxAttempts: 7, backoff: { first: 'PT1S', factor: 1.5, max: 'PT5S' } },
    };
    const device = await on.register();
    expect((await device.post({ ...asked, onConflict: 'supersede' })).body.data).toMatchObject(asked);
  });

  it('takes the defaults for what is not said of the back-off', async () => {
    const device = await on.register();
    expect((await device.post({ retry: { backoff: { first: 'PT1H' } } })).body.data.retry).toEqual({
      maxAttempts: 3,
      backoff: { first: 'PT1H', factor: 2, max: 'PT1H' },
    });
    expect((await device.post({ retry: { backoff: { max: 'PT2S' } } })).body.data.retry.backoff).toEqual({
      first: 'PT2S',
      factor: 2,
      max: 'PT2S',
    });
  });

  it.each([
    ['no slot', { slot: undefined }, '/slot', 'is required'],
    ['no firmware', { firmwareId: undefined }, '/firmwareId', undefined],
    ['an invalid id', { firmwareId: 'x' }, '/firmwareId', 'must be a UUID'],
    ['a slot that is no name', { slot: 'boot loader' }, '/slot', undefined],
    [
      'an unknown member',
      { retries: 3 },
      '/retries',
      expect.stringMatching(/^is unknown here; there are firmwareId, slot/),
    ],
    [
      'a maintenance window',
      { maintenanceWindow: { cron: '0 2 * * *', duration: 'PT1H' } },
      '/maintenanceWindow',
      'is not supported yet; send notBefore, and deadline where it must have ended',
    ],
    ['a deadline in the past', { deadline: '2020-01-01T00:00:00Z' }, '/deadline', 'lies in the past'],
    [
      'a deadline before its begin',
      { notBefore: '2027-02-01T00:00:00Z', deadline: '2027-01-01T00:00:00Z' },
      '/deadline',
      'must be later than notBefore',
    ],
    [
      'a begin in the far future',
      { notBefore: '9999-01-01T00:00:00Z' },
      '/notBefore',
      'lies more than ten years ahead',
    ],
    ['a time without an offset', { notBefore: '2027-01-01T00:00:00' }, '/notBefore', undefined],
    [
      'a duration in months',
      { soak: 'P1M' },
      '/soak',
      'must be an ISO 8601 duration in weeks, days, hours, minutes and seconds, such as PT10M',
    ],
    ['a timeout of nothing', { timeouts: { offer: 'PT0S' } }, '/timeouts/offer', 'must lie between PT0.1S and P366D'],
    ['no attempt at all', { retry: { maxAttempts: 0 } }, '/retry/maxAttempts', undefined],
    [
      'a longest wait shorter than the first',
      { retry: { backoff: { first: 'PT2S', max: 'PT1S' } } },
      '/retry/backoff/max',
      'must not be shorter than first',
    ],
    ['another gate', { gate: 'open' }, '/gate', undefined],
    ['a priority that is no whole number', { priority: 0.5 }, '/priority', undefined],
  ])('with %s is refused, and the answer points at it', async (_what, body, pointer, detail) => {
    const reply = await (await on.register()).post(body);
    expect(reply).toMatchObject({ status: 400, body: { errorCode: 'FIRMWARE_VALIDATION' } });
    expect(reply.body.errors[0]).toMatchObject({ pointer, ...(detail === undefined ? {} : { detail }) });
  });

  it('takes times as RFC 3339 has them, T and Z in small letters, too, and prints them in UTC', async () => {
    const times = { notBefore: '2027-01-01t01:30:00.25+01:30', deadline: '2027-02-01t00:00:00z' };
    expect((await (await on.register()).post(times)).body.data).toMatchObject({
      notBefore: '2027-01-01T00:00:00.250Z',
      deadline: '2027-02-01T00:00:00.000Z',
    });
  });

  it('of a firmware without a blob, or one that is not associated, is refused with a sentence that says what to do', async () => {
    const device = await on.register();
    const draft = await newFirmware(api);
    expect(await device.post({ firmwareId: draft })).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_NOT_ASSOCIATED', errorMessage: expect.stringContaining('/firmware-associations') },
    });
    await on.associate(draft, 'firmware');
    expect(await device.post({ firmwareId: draft })).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_BLOB_MISSING', errorMessage: expect.stringContaining('/blob') },
    });
    await expireDrafts(api.pool, 0, Date.now() + 1_000);
    expect(await device.post({ firmwareId: draft })).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_BLOB_MISSING', errorMessage: expect.stringContaining('create a new one') },
    });
  });

  it("of what does not exist or is another tenant's is refused with 403 alike", async () => {
    const device = await on.register();
    const id = await device.install();
    const other = await api.as({ tenantId: 'other' });
    const path = `/v1/devices/${device.id}/firmware-installations`;
    const tries: [Client, string, string, unknown?][] = [
      [
        api,
        'POST',
        `/v1/devices/${randomUUID()}/firmware-installations`,
        { firmwareId: on.firmware, slot: 'firmware' },
      ],
      [api, 'POST', path, { firmwareId: randomUUID(), slot: 'firmware' }],
      [other, 'POST', path, { firmwareId: on.firmware, slot: 'firmware' }],
      [api, 'GET', `/v1/devices/${randomUUID()}/firmware-installations`],
      [api, 'GET', `/v1/devices/nothing/firmware-installations`],
      [other, 'GET', path],
      ...[`${path}/${randomUUID()}`, `${path}/x`, `/v1/devices/${randomUUID()}/firmware-installations/${id}`].flatMap(
        (one): [Client, string, string, unknown?][] => [
          [api, 'GET', one],
          [api, 'PATCH', one, { startedAt: ago(0) }],
          [api, 'POST', `${one}/cancel`],
          [api, 'POST', `${one}/release`],
          [api, 'POST', `${one}/retry`],
        ],
      ),
      [other, 'GET', `${path}/${id}`],
      [other, 'PATCH', `${path}/${id}`, { completedAt: ago(0) }],
      [other, 'POST', `${path}/${id}/cancel`],
    ];
    for (const [client, method, where, body] of tries) {
      expect(await client.call(method, where, body)).toMatchObject({
        status: 403,
        body: { errorCode: 'FIRMWARE_NO_ACCESS_TO_RESOURCE' },
      });
    }
    expect((await device.call('GET', `/${id}`)).body.data.state).toBe('scheduled');
  });

  it('is found under its ids in upper case, too', async () => {
    const device = await on.register();
    const made = await api.call('POST', `/v1/devices/${device.id.toUpperCase()}/firmware-installations`, {
      firmwareId: on.firmware.toUpperCase(),
      slot: 'firmware',
    });
    expect(made.status).toBe(201);
    expect((await device.call('GET', `/${(made.body.data.id as string).toUpperCase()}`)).status).toBe(200);
  });
});
