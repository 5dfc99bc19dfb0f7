import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest, type Client, type Reply } from './api-under-test.js';
import { newFirmware, uploaded } from './upload.js';

let api: ApiUnderTest;
let type: string;
let firmware: string;
beforeAll(async () => {
  api = await startApi('api_installations');
  type = (
    await api.call('POST', '/v1/device-types', {
      name: 'Switch',
      slots: { firmware: { name: 'F' }, bootloader: { name: 'B' } },
    })
  ).body.data.id;
  firmware = await uploaded(api, randomBytes(1000));
  await associate(firmware, 'firmware');
  await associate(firmware, 'bootloader');
});
afterAll(() => api.close());

async function associate(firmwareId: string, slot: string): Promise<void> {
  expect(
    (await api.call('POST', `/v1/device-types/${type}/slots/${slot}/firmware-associations`, { firmwareId })).status,
  ).toBe(201);
}

/** A device, and the paths of its installations. */
class Device {
  private constructor(
    readonly id: string,
    private readonly client: Client,
  ) {}

  static async register(): Promise<Device> {
    return new Device(
      (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id as string,
      api,
    );
  }

  post(body: Record<string, unknown> = {}): Promise<Reply> {
    return this.client.call('POST', `/v1/devices/${this.id}/firmware-installations`, {
      firmwareId: firmware,
      slot: 'firmware',
      ...body,
    });
  }

  async install(body: Record<string, unknown> = {}): Promise<string> {
    const { status, body: made } = await this.post(body);
    expect(status).toBe(201);
    return made.data.id as string;
  }

  call(method: string, path: string, body?: unknown): Promise<Reply> {
    return this.client.call(method, `/v1/devices/${this.id}/firmware-installations${path}`, body);
  }

  report(id: string, body: unknown): Promise<Reply> {
    return this.call('PATCH', `/${id}`, body);
  }
}

function idsOf(list: Reply): string[] {
  return (list.body.data as { id: string }[]).map((one) => one.id);
}

const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();

describe('an installation', () => {
  it('is created with firmwareId and slot alone; what the contract lists is there, and only what happened has a time', async () => {
    const device = await Device.register();
    const made = await device.post();
    expect(made.status).toBe(201);
    const { data } = made.body;
    expect(data).toMatchObject({
      deviceId: device.id,
      firmwareId: firmware,
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
      waitingOn: expect.stringMatching(/^Waits for /),
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
    const device = await Device.register();
    expect((await device.post({ ...asked, onConflict: 'supersede' })).body.data).toMatchObject(asked);
  });

  it('takes the defaults for what is not said of the back-off', async () => {
    const device = await Device.register();
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
    ['an id that is none', { firmwareId: 'x' }, '/firmwareId', 'must be a UUID'],
    ['a slot that is no name', { slot: 'boot loader' }, '/slot', undefined],
    ['an unknown member', { retries: 3 }, '/retries', 'is unknown here'],
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
    const reply = await (await Device.register()).post(body);
    expect(reply).toMatchObject({ status: 400, body: { errorCode: 'FIRMWARE_VALIDATION' } });
    expect(reply.body.errors[0]).toMatchObject({ pointer, ...(detail === undefined ? {} : { detail }) });
  });

  it('takes times as RFC 3339 has them, T and Z in small letters, too, and prints them in UTC', async () => {
    const times = { notBefore: '2027-01-01t01:30:00.25+01:30', deadline: '2027-02-01t00:00:00z' };
    expect((await (await Device.register()).post(times)).body.data).toMatchObject({
      notBefore: '2027-01-01T00:00:00.250Z',
      deadline: '2027-02-01T00:00:00.000Z',
    });
  });

  it('of a firmware without a blob, or one that is not associated, is refused with a sentence that says what to do', async () => {
    const device = await Device.register();
    const draft = await newFirmware(api);
    expect(await device.post({ firmwareId: draft })).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_NOT_ASSOCIATED', errorMessage: expect.stringContaining('/firmware-associations') },
    });
    await associate(draft, 'firmware');
    expect(await device.post({ firmwareId: draft })).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_BLOB_MISSING', errorMessage: expect.stringContaining('/blob') },
    });
    await api.pool.query(`UPDATE firmwares SET state = 'expired' WHERE id = $1`, [draft]);
    expect(await device.post({ firmwareId: draft })).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_BLOB_MISSING', errorMessage: expect.stringContaining('create a new one') },
    });
  });

  it("of what does not exist or is another tenant's is refused with 403 alike", async () => {
    const device = await Device.register();
    const id = await device.install();
    const other = await api.as({ tenantId: 'other' });
    const path = `/v1/devices/${device.id}/firmware-installations`;
    const tries: [Client, string, string, unknown?][] = [
      [api, 'POST', `/v1/devices/${randomUUID()}/firmware-installations`, { firmwareId: firmware, slot: 'firmware' }],
      [api, 'POST', path, { firmwareId: randomUUID(), slot: 'firmware' }],
      [other, 'POST', path, { firmwareId: firmware, slot: 'firmware' }],
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
    const device = await Device.register();
    const made = await api.call('POST', `/v1/devices/${device.id.toUpperCase()}/firmware-installations`, {
      firmwareId: firmware.toUpperCase(),
      slot: 'firmware',
    });
    expect(made.status).toBe(201);
    expect((await device.call('GET', `/${(made.body.data.id as string).toUpperCase()}`)).status).toBe(200);
  });
});

describe('a report by PATCH', () => {
  it('brings an installation from requested to completed, and is read back as it was written', async () => {
    const device = await Device.register();
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
    const device = await Device.register();
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
    const device = await Device.register();
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
    const device = await Device.register();
    const id = await device.install();
    await device.report(id, { completedAt: ago(0) });
    expect((await device.report(id, { rejectedAt: ago(0) })).status).toBe(409);
  });

  it('may be sent as a merge patch', async () => {
    const device = await Device.register();
    const path = `/v1/devices/${device.id}/firmware-installations/${await device.install()}`;
    expect(
      (await api.call('PATCH', path, { startedAt: ago(0) }, { 'content-type': 'application/merge-patch+json' })).status,
    ).toBe(200);
  });

  it('by a clock that was never set, or that runs ahead, counts from its receipt', async () => {
    const device = await Device.register();
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
    ['a time that is none', { startedAt: 'now' }, '/startedAt'],
    ['null', { startedAt: null }, '/startedAt'],
    ['a state', { state: 'installed' }, '/state'],
  ])('with %s is refused', async (_what, body, pointer) => {
    const device = await Device.register();
    const reply = await device.report(await device.install(), body);
    expect(reply).toMatchObject({ status: 400, body: { errorCode: 'FIRMWARE_VALIDATION' } });
    expect((reply.body.errors as { pointer: string }[]).map((fault) => fault.pointer)).toContain(pointer);
  });

  it('needs the permissions to read and to write', async () => {
    const device = await Device.register();
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

describe('cancel, release and retry', () => {
  it('cancel answers 202, keeps the reason, and may be repeated', async () => {
    const device = await Device.register();
    const id = await device.install();
    expect(await device.call('POST', `/${id}/cancel`, { reason: 'wrong version' })).toMatchObject({
      status: 202,
      body: { data: { state: 'canceled', rejectReason: 'wrong version', rejectedAt: expect.any(String) } },
    });
    expect((await device.call('POST', `/${id}/cancel`)).status).toBe(202);
    expect((await device.call('POST', `/${id}/cancel`, { why: 'x' })).status).toBe(400);
  });

  it('cancel of what ended otherwise is refused', async () => {
    const device = await Device.register();
    const id = await device.install();
    await device.report(id, { completedAt: ago(0) });
    expect(await device.call('POST', `/${id}/cancel`)).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_INSTALLATION_STATE' },
    });
  });

  it('release opens the gate, once and for all', async () => {
    const device = await Device.register();
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
    const device = await Device.register();
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
        data: { retryOf: id, firmwareId: firmware, slot: 'firmware', priority: 3, soak: 'PT1M', state: 'scheduled' },
      },
    });
    expect(again.body.data.id).not.toBe(id);
  });
});

describe('another installation on the same slot', () => {
  it('waits, is refused, or supersedes, as onConflict says', async () => {
    const device = await Device.register();
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
    const device = await Device.register();
    await device.report(await device.install(), { completedAt: ago(0) });
    expect((await device.post()).body.data).toMatchObject({
      state: 'installed',
      alreadyInstalled: true,
      completedAt: expect.any(String),
      waitingOn: null,
    });
  });

  it('show the installations of a device newest first, or what its slots hold now', async () => {
    const device = await Device.register();
    const done: string[] = [];
    const newer = await uploaded(api, randomBytes(1000));
    await associate(newer, 'firmware');
    for (const [slot, firmwareId] of [
      ['firmware', firmware],
      ['bootloader', firmware],
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
      meta: { page: 0, pageSize: 20 },
    });
    const device = await Device.register();
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
