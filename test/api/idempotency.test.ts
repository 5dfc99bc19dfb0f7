import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { sweepIdempotencyKeys } from '../../store/db/idempotency.js';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';
import { attach, newFirmware, uploaded } from './upload.js';

let api: ApiUnderTest;
let clock: () => number;
let type: string;
let firmware: string;
beforeAll(async () => {
  clock = Date.now;
  api = await startApi('api_idempotency', { services: { now: () => clock() } });
  type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } })).body.data
    .id;
  firmware = await uploaded(api, randomBytes(100));
  await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: firmware });
});
afterAll(() => api.close());

const keyed = (path: string, body: unknown, key: string): Promise<Reply> =>
  api.call('POST', path, body, { 'idempotency-key': key });
const device = async (): Promise<string> =>
  (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id as string;
const install = async (deviceId: string, more: Record<string, unknown> = {}): Promise<string> =>
  (
    await api.call('POST', `/v1/devices/${deviceId}/firmware-installations`, {
      firmwareId: firmware,
      slot: 'firmware',
      ...more,
    })
  ).body.data.id as string;

/** A device that asked to come and waits for an operator. */
async function pending(): Promise<string> {
  const id = randomUUID();
  await api.pool.query(
    `INSERT INTO enrolments (tenant_id, id, serial, device_type_id, state, created_at, created_by)
     VALUES ('default', $1, $2, $3, 'pending', now(), 'test')`,
    [id, `SN-${id}`, type],
  );
  return id;
}

async function count(table: string): Promise<number> {
  return (await api.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0]!.n;
}

/** What each POST with a JSON body is sent, by its path in the document, and the rows that it makes. */
const REQUESTS: Record<string, () => Promise<[path: string, body: unknown, table: string]>> = {
  '/v1/firmwares': async () => ['/v1/firmwares', { name: 'f' }, 'firmwares'],
  '/v1/device-types': async () => ['/v1/device-types', { name: 't' }, 'device_types'],
  '/v1/device-types/{id}/slots/{slotName}/firmware-associations': async () => [
    `/v1/device-types/${type}/slots/firmware/firmware-associations`,
    { firmwareId: await newFirmware(api) },
    'firmware_associations',
  ],
  '/v1/devices': async () => ['/v1/devices', { info: { name: 'd', deviceTypeId: type } }, 'devices'],
  '/v1/enrolments/preauthorised': async () => [
    '/v1/enrolments/preauthorised',
    { serial: randomUUID(), deviceTypeId: type },
    'enrolments',
  ],
  '/v1/enrolments/{id}/approve': async () => [`/v1/enrolments/${await pending()}/approve`, {}, 'enrolments'],
  '/v1/enrolments/{id}/reject': async () => [`/v1/enrolments/${await pending()}/reject`, {}, 'enrolments'],
  '/v1/devices/{id}/certificates': async () => [
    `/v1/devices/${await device()}/certificates`,
    { cert: await readFile(new URL('../fixtures/device-certificate.pem', import.meta.url), 'utf8') },
    'device_certificates',
  ],
  '/v1/devices/{deviceId}/firmware-installations': async () => [
    `/v1/devices/${await device()}/firmware-installations`,
    { firmwareId: firmware, slot: 'firmware' },
    'installations',
  ],
  '/v1/devices/{deviceId}/firmware-installations/{installationId}/cancel': async () => {
    const id = await device();
    return [`/v1/devices/${id}/firmware-installations/${await install(id)}/cancel`, { reason: 'wrong' }, 'history'];
  },
  '/v1/devices/{deviceId}/firmware-installations/{installationId}/release': async () => {
    const id = await device();
    return [
      `/v1/devices/${id}/firmware-installations/${await install(id, { gate: 'hold' })}/release`,
      undefined,
      'history',
    ];
  },
  '/v1/devices/{deviceId}/firmware-installations/{installationId}/retry': async () => {
    const id = await device();
    const path = `/v1/devices/${id}/firmware-installations/${await install(id)}`;
    await api.call('POST', `${path}/cancel`);
    return [`${path}/retry`, {}, 'installations'];
  },
  '/v1/rollouts': async () => ['/v1/rollouts', await plan(), 'rollouts'],
  '/v1/rollout-simulations': async () => ['/v1/rollout-simulations', { ...(await plan()), seed: 1 }, 'rollouts'],
  '/v1/rollout-templates': async () => [
    '/v1/rollout-templates',
    { name: randomUUID(), priority: 1 },
    'rollout_templates',
  ],
  '/v1/rollouts/{id}/start': async () => [await rollout('start'), {}, 'history'],
  '/v1/rollouts/{id}/pause': async () => [await rollout('pause', 'start'), { reason: 'wait' }, 'history'],
  '/v1/rollouts/{id}/resume': async () => [
    await rollout('resume', 'start', 'pause'),
    { reason: 'operator' },
    'history',
  ],
  '/v1/rollouts/{id}/abort': async () => [await rollout('abort'), {}, 'history'],
  '/v1/rollouts/{id}/retry': async () => [await rollout('retry', 'start'), {}, 'history'],
  '/v1/rollouts/{id}/rollback': async () => [await rollout('rollback', 'start'), {}, 'history'],
  '/v1/rollouts/{id}/approve': async () => [await rollout('approve'), {}, 'history'],
  '/v1/rollouts/{id}/reject': async () => [await rollout('reject'), { reason: 'no' }, 'history'],
  '/v1/rollouts/{id}/groups/{name}/approve': async () => [await rollout('groups/all/approve', 'start'), {}, 'history'],
  '/v1/rollouts/{id}/groups/{name}/reject': async () => [
    await rollout('groups/all/reject', 'start'),
    { reason: 'no' },
    'history',
  ],
  '/v1/rollouts/{id}/groups/{name}/skip': async () => {
    const path = await rollout('groups/all/skip', 'start');
    // No process runs here that opens it.
    await api.pool.query(`UPDATE rollout_groups SET opened_at = now() - interval '2 days'`);
    return [path, { away: true }, 'history'];
  },
  '/v1/devices/bulk': async () => ['/v1/devices/bulk', { action: 'tag', tag: 'x', filter: 'name==d' }, 'jobs'],
  '/v1/jobs/{id}/cancel': async () => {
    const asked = { action: 'tag', tag: 'x', filter: 'name==d' };
    const { id } = (await api.call('POST', '/v1/devices/bulk', asked)).body.data as { id: string };
    return [`/v1/jobs/${id}/cancel`, {}, 'history'];
  },
  '/v1/webhooks/{id}/deliveries/{deliveryId}/redeliver': async () => {
    const { id } = (await api.call('POST', '/v1/webhooks', { url: 'https://example.com/slipway' })).body.data as {
      id: string;
    };
    const delivery = randomUUID();
    await api.pool.query(
      `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, number, event, state, due_at, ended_at, created_at) VALUES ('default', $1, $2, 1, 'requested', 'failed', now(), now(), now())`,
      [delivery, id],
    );
    return [`/v1/webhooks/${id}/deliveries/${delivery}/redeliver`, {}, 'webhook_deliveries'];
  },
};

async function plan(): Promise<Record<string, unknown>> {
  return {
    name: 'r',
    steps: [{ slot: 'firmware', firmwareId: firmware }],
    targets: { deviceIds: [await device()] },
    groups: [{ name: 'all', approval: { required: 1 } }],
    approval: { required: 1 },
  };
}

/**
 * A rollout after some commands, and the path of the one that follows; it is approved where it has to have been
 * started.
 */
async function rollout(command: string, ...before: string[]): Promise<string> {
  const asked = await plan();
  const { id } = (
    await api.call('POST', '/v1/rollouts', before.length > 0 ? { ...asked, approval: { required: 0 } } : asked)
  ).body.data as { id: string };
  for (const one of before) await api.call('POST', `/v1/rollouts/${id}/${one}`, {});
  return `/v1/rollouts/${id}/${command}`;
}

/** Answers that hold a secret are told once, and never again. */
const SECRET = /\/credentials$|\/webhooks$|\/api-keys(\/\{id\}\/rotate)?$|\/tenants$|\/enrolment-tokens$/;
/** Of those that do not answer 201. */
const STATUS = (name: string): number =>
  /simulations$|\/enrolments\/\{id\}\//.test(name)
    ? 200
    : /\/(bulk|cancel|release|redeliver)$|^\/v1\/rollouts\/\{id\}\//.test(name)
      ? 202
      : 201;

describe('a POST with an Idempotency-Key', () => {
  it('may be any POST with a JSON body: the same key and body get the first answer again, and nothing is done twice', async () => {
    const paths = api.description.document.paths as Record<
      string,
      { post?: { parameters: { $ref?: string }[]; requestBody: { content: object } } }
    >;
    const posts = Object.entries(paths)
      .filter(([, { post }]) => post?.requestBody && 'application/json' in post.requestBody.content)
      .map(([path]) => path);
    expect(
      posts.filter(
        (path) => !paths[path]!.post!.parameters.some(({ $ref }) => $ref === '#/components/parameters/IdempotencyKey'),
      ),
    ).toEqual([]);
    expect(posts.filter((path) => !SECRET.test(path)).sort()).toEqual(Object.keys(REQUESTS).sort());
    for (const [name, prepare] of Object.entries(REQUESTS)) {
      const [path, body, table] = await prepare();
      const first = await keyed(path, body, `any ${name}`);
      expect([name, first.status]).toEqual([name, STATUS(name)]);
      const rows = await count(table);
      const second = await keyed(path, body, `any ${name}`);
      expect([name, second.status, second.body, second.headers.get('idempotent-replayed')]).toEqual([
        name,
        first.status,
        first.body,
        'true',
      ]);
      expect([first.headers.get('idempotent-replayed'), await count(table)]).toEqual([null, rows]);
    }
  });

  it('is done once also where many come at once, and all get the same answer', async () => {
    const path = `/v1/devices/${await device()}/firmware-installations`;
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => keyed(path, { firmwareId: firmware, slot: 'firmware' }, 'race')),
    );
    expect(new Set(replies.map(({ status, body }) => JSON.stringify([status, body]))).size).toBe(1);
    expect(replies[0]!.status).toBe(201);
    expect((await api.call('GET', path)).body.data).toHaveLength(1);
  });

  it('says the same in another order of its members, or in the other case of its ids', async () => {
    const id = await device();
    const first = await keyed(
      `/v1/devices/${id}/firmware-installations`,
      { firmwareId: firmware, slot: 'firmware' },
      'order',
    );
    const second = await keyed(
      `/v1/devices/${id.toUpperCase()}/firmware-installations`,
      { slot: 'firmware', firmwareId: firmware },
      'order',
    );
    expect([second.status, second.body]).toEqual([201, first.body]);
  });

  it('is refused with 422 where the key came with another body or path', async () => {
    expect((await keyed('/v1/firmwares', { name: 'one' }, 'other')).status).toBe(201);
    for (const [path, body] of [
      ['/v1/firmwares', { name: 'two' }],
      ['/v1/device-types', { name: 'one' }],
    ] as const) {
      const reply = await keyed(path, body, 'other');
      expect([reply.status, reply.body.errorCode]).toEqual([422, 'REQUEST_IDEMPOTENCY_CONFLICT']);
    }
    const [one, two] = [await device(), await device()];
    const body = { firmwareId: firmware, slot: 'firmware' };
    expect((await keyed(`/v1/devices/${one}/firmware-installations`, body, 'path')).status).toBe(201);
    expect((await keyed(`/v1/devices/${two}/firmware-installations`, body, 'path')).status).toBe(422);
  });

  it('that was refused is refused again in the same words, although the reason is gone; what it had done before was undone', async () => {
    const path = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
    const draft = await newFirmware(api);
    const id = await device();
    const body = { firmwareId: draft, slot: 'firmware' };
    await api.call('POST', path, { firmwareId: draft });
    const refused = await keyed(`/v1/devices/${id}/firmware-installations`, body, 'refused');
    expect([refused.status, refused.body.errorCode]).toEqual([409, 'FIRMWARE_BLOB_MISSING']);
    await attach(api, draft);
    const again = await keyed(`/v1/devices/${id}/firmware-installations`, body, 'refused');
    expect([again.status, again.body]).toEqual([409, refused.body]);
    expect((await keyed(`/v1/devices/${id}/firmware-installations`, body, 'refused-new')).status).toBe(201);
    await api.call('POST', '/v1/devices', { info: { name: 'a', deviceTypeId: type, aliases: ['taken'] } });
    const devices = await count('devices');
    expect(
      (await keyed('/v1/devices', { info: { name: 'b', deviceTypeId: type, aliases: ['taken'] } }, 'undone')).status,
    ).toBe(409);
    expect(await count('devices')).toBe(devices);
  });

  it('that failed with 5xx may be repeated, and is done then', async () => {
    await api.pool.query(
      `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$; CREATE TRIGGER fail BEFORE INSERT ON firmwares FOR EACH ROW EXECUTE FUNCTION fail()`,
    );
    expect((await keyed('/v1/firmwares', { name: 'f' }, 'broken')).status).toBe(500);
    await api.pool.query('DROP TRIGGER fail ON firmwares; DROP FUNCTION fail');
    expect((await keyed('/v1/firmwares', { name: 'f' }, 'broken')).status).toBe(201);
  });

  it('shares its key with no other tenant', async () => {
    const other = await api.as({ tenantId: 'other' });
    expect((await keyed('/v1/firmwares', { name: 'mine' }, 'tenants')).status).toBe(201);
    const reply = await other.call('POST', '/v1/firmwares', { name: 'theirs' }, { 'idempotency-key': 'tenants' });
    expect([reply.status, reply.body.data.name]).toEqual([201, 'theirs']);
  });

  it.each([
    ['an empty key', ''],
    ['a key of 256 characters', 'x'.repeat(256)],
    ['a key with a letter that is not ASCII', 'ä'],
    ['a key with a tab', 'a\tb'],
  ])('with %s is a bad request', async (_what, key) => {
    const reply = await keyed('/v1/firmwares', { name: 'f' }, key);
    expect([reply.status, reply.body.errorCode, reply.body.errors?.[0].pointer]).toEqual([
      400,
      'FIRMWARE_VALIDATION',
      '/header/Idempotency-Key',
    ]);
  });

  it('may have a key of 255 characters with spaces and quotes', async () => {
    expect((await keyed('/v1/firmwares', { name: 'f' }, `"${'x '.repeat(126)}"`)).status).toBe(201);
    expect((await keyed('/v1/firmwares', { name: 'f' }, 'y'.repeat(255))).status).toBe(201);
  });

  it('is remembered for 24 hours, and then forgotten', async () => {
    const first = await keyed('/v1/firmwares', { name: 'old' }, 'day');
    clock = () => Date.now() + 24 * 3_600_000 - 60_000;
    expect((await keyed('/v1/firmwares', { name: 'old' }, 'day')).body).toEqual(first.body);
    clock = () => Date.now() + 24 * 3_600_000 + 60_000;
    const second = await keyed('/v1/firmwares', { name: 'another' }, 'day');
    expect([second.status, second.body.data.name]).toEqual([201, 'another']);
    await sweepIdempotencyKeys(api.pool, clock());
    expect((await api.pool.query('SELECT key FROM idempotency_keys')).rows).toEqual([{ key: 'day' }]);
    clock = Date.now;
  });

  it('for a password makes no second one; the first is kept nowhere, and the answer says what to do', async () => {
    const id = await device();
    const path = `/v1/devices/${id}/credentials`;
    const first = await keyed(path, { type: 'password' }, 'password');
    expect(first.status).toBe(201);
    for (let turn = 0; turn < 2; turn += 1) {
      const again = await keyed(path, { type: 'password' }, 'password');
      expect([again.status, again.body.errorCode, again.body.credentialId]).toEqual([
        409,
        'DEVICE_CREDENTIAL_SHOWN',
        first.body.data.id,
      ]);
      expect(again.body.errorMessage).toContain(`DELETE ${path}/${first.body.data.id}`);
    }
    expect((await api.call('GET', path)).body.data).toHaveLength(1);
    const kept = await api.pool.query<{ body: string }>('SELECT body FROM idempotency_keys WHERE key = $1', [
      'password',
    ]);
    expect(kept.rows[0]!.body).not.toContain(first.body.data.password);
  });
});

describe('without an Idempotency-Key', () => {
  it('two equal requests are two, and nothing is kept of them', async () => {
    const before = await count('idempotency_keys');
    const [one, two] = [await newFirmware(api), await newFirmware(api)];
    expect(one).not.toBe(two);
    expect(await count('idempotency_keys')).toBe(before);
  });

  it('a repeated upload gets 423 when the first one worked', async () => {
    const id = await newFirmware(api);
    const headers = { 'content-type': 'application/octet-stream', 'idempotency-key': randomUUID() };
    expect((await api.call('POST', `/v1/firmwares/${id}/blob`, Buffer.from('bytes'), headers)).status).toBe(200);
    expect((await api.call('POST', `/v1/firmwares/${id}/blob`, Buffer.from('bytes'), headers)).status).toBe(423);
  });
});
