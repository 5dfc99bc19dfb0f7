import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Payload } from '../bridge/hand-made-device.js';
import { HttpDevice } from '../contract/http-device.js';
import { endPolls } from '../../store/commands/polls.js';
import { revokeCredential, listCredentials } from '../../store/commands/credentials.js';
import { holdLease } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { readDiagnostics } from '../../store/fleet/diagnostics-read.js';
import { wakeSender } from '../../store/outbox/outbox.js';
import { record } from '../../store/record.js';
import { ApiBeside } from '../support/api-beside.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { until } from '../support/until.js';
import { Description } from './described.js';

/** docs/contracts/device-mqtt.md, "The HTTP twin": what the stories of devices do not tell. */
const MINUTE = 60_000;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let apis: ApiBeside[] = [];
let description: Description;
const devices: HttpDevice[] = [];

beforeAll(async () => {
  database = await createTestDatabase('device twin');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  apis = await Promise.all([1, 2].map(() => ApiBeside.start(pool, database.url)));
  description = new Description(await (await fetch(`${apis[0]!.url}/openapi-devices.json`)).json());
});
afterEach(() => Promise.all(devices.splice(0).map((device) => device.end())));
afterAll(async () => {
  await Promise.all(apis.map((api) => api.close()));
  await pool.end();
  await database.drop();
});

type Asked = Awaited<ReturnType<HttpDevice['ask']>>;
interface Asking {
  readonly id: string;
  readonly ask: (method: string, path: string, body?: string | object, known?: string) => Promise<Asked>;
}

/** A device that has nothing but a token; its answers are held against the document. */
async function device(connectedBy?: string): Promise<Asking> {
  const id = await facts.device(connectedBy, false);
  return { id, ask: await asking(id) };
}
async function asking(id: string): Promise<Asking['ask']> {
  const made = new HttpDevice(
    apis.map((api) => api.url),
    'default',
    id,
    await facts.token(id),
  );
  devices.push(made);
  return async (method, path, body, known) => {
    const reply = await made.ask(method, path, body, known === undefined ? {} : { 'if-none-match': known });
    description.check(method, `/device/v1/${path}`, reply.status, 'application/json', reply.json ?? '');
    return reply;
  };
}
let contents = 0;
/** An installation whose document the device may have now. */
async function offered(deviceId: string) {
  contents += 1;
  const installation = await facts.install(deviceId, await facts.firmware((contents % 16).toString(16)));
  await asService(pool, async (tx) => {
    const about = { tenantId: 'default', deviceId, installationId: installation.id };
    await record(tx, [{ ...about, from: { kind: 'process' }, kind: 'event', event: { type: 'begin' } }], Date.now());
    await wakeSender(tx);
  });
  return installation;
}
const status = ({ installationId, attempt, slot }: Payload, state: string, seq: number) => ({
  v: 1,
  installationId,
  attempt,
  slot,
  state,
  seq,
});
const diagnostics = (id: string) => asTenant(pool, 'default', (tx) => readDiagnostics(tx, 'default', id));
const isOnline = async (id: string) =>
  (await facts.sql<{ online: boolean }>('SELECT online FROM devices WHERE id = $1', [id]))[0]!.online;

describe('Who asks', () => {
  it('is a device with a token that is valid', async () => {
    const { id, ask } = await device();
    expect((await ask('POST', 'progress', { v: 1 })).status).toBe(400);
    const as = (authorization: string) =>
      fetch(`${apis[0]!.url}/device/v1/desired`, { headers: { authorization } }).then((reply) => reply.status);
    expect([await as(''), await as('Bearer x'), await as('Basic eDp4')]).toEqual([401, 401, 401]);
    const [token] = await asTenant(pool, 'default', (tx) => listCredentials(tx, 'default', id));
    await asTenant(pool, 'default', (tx) => revokeCredential(tx, 'default', id, token!.id));
    expect((await ask('GET', 'desired')).status).toBe(401);
  });
});

describe('What is desired', () => {
  it('comes with its revision as ETag; nothing, and what is known, have answers of their own', async () => {
    const { id, ask } = await device();
    expect(await ask('GET', 'desired/firmware')).toMatchObject({ status: 204, etag: undefined });
    const installation = await offered(id);
    const one = await ask('GET', 'desired/firmware');
    expect(one).toMatchObject({
      status: 200,
      etag: '"1"',
      json: { v: 1, revision: 1, installationId: installation.id, slot: 'firmware', device: { id } },
    });
    const { url } = one.json!['download'] as { url: string };
    expect(url).toContain(`/download/installations/default/${installation.id}?sig=`);
    expect(await ask('GET', 'desired/firmware', undefined, '"1"')).toMatchObject({ status: 304, etag: '"1"' });
    expect((await ask('GET', 'desired/bootloader')).status).toBe(204);
    const all = await ask('GET', 'desired');
    expect([all.status, Object.keys(all.json!)]).toEqual([200, ['firmware']]);
    expect((await ask('GET', 'desired', undefined, all.etag)).status).toBe(304);
    expect((await ask('GET', 'desired?wait=soon')).status).toBe(400);
  });

  it('wakes a device that waits, at whichever API it waits', async () => {
    const { id, ask } = await device();
    const waiting = [ask('GET', 'desired/firmware?wait=PT40S'), ask('GET', 'desired?wait=PT40S')];
    await until('both wait', () => apis.every((api) => api.waits.open === 1));
    const begun = performance.now();
    const { id: installationId } = await offered(id);
    const [one, all] = await Promise.all(waiting);
    // The slow look alone would take up to 5 s.
    expect(performance.now() - begun).toBeLessThan(4_000);
    expect(one!.json).toMatchObject({ installationId });
    expect(all!.json).toMatchObject({ firmware: { installationId } });
    expect(apis.map((api) => api.waits.open)).toEqual([0, 0]);
  });

  it('is answered with 304 or 204 when the wait is over, and with 204 at once where it was withdrawn', async () => {
    const { id, ask } = await device();
    expect((await ask('GET', 'desired/firmware?wait=PT1S')).status).toBe(204);
    await offered(id);
    expect((await ask('GET', 'desired/firmware?wait=PT1S', undefined, '"1"')).status).toBe(304);
    const { json } = await ask('GET', 'desired/firmware');
    const waiting = ask('GET', 'desired/firmware?wait=PT40S', undefined, '"1"');
    await until('it waits', () => apis.some((api) => api.waits.open === 1));
    expect((await ask('POST', 'status', status(json!, 'installed', 1))).status).toBe(200);
    expect((await waiting).status).toBe(204);
    expect((await ask('GET', 'desired/firmware?wait=PT40S', undefined, '"1"')).status).toBe(204);
  });

  it('goes to no device whose token was revoked while it waited', async () => {
    const { id, ask } = await device();
    const waiting = ask('GET', 'desired/firmware?wait=PT40S');
    await until('it waits', () => apis.some((api) => api.waits.open === 1));
    const [token] = await asTenant(pool, 'default', (tx) => listCredentials(tx, 'default', id));
    await facts.token(id);
    await asTenant(pool, 'default', (tx) => revokeCredential(tx, 'default', id, token!.id));
    await offered(id);
    expect((await waiting).status).toBe(401);
  });

  it('is answered early where a device waits too often at once, and by a process that ends', async () => {
    const { id, ask } = await device();
    const api = await ApiBeside.start(pool, database.url);
    const alone = new HttpDevice([api.url], 'default', id, await facts.token(id));
    const waiting = Array.from({ length: 10 }, () => alone.ask('GET', 'desired?wait=PT40S'));
    // Of one device eight at most: the oldest are answered.
    await Promise.all(waiting.slice(0, 1).map(async (one) => expect((await one).status).toBe(204)));
    await until('eight wait', () => api.waits.open === 8);
    api.waits.end();
    expect(new Set((await Promise.all(waiting)).map((one) => one.status))).toEqual(new Set([204]));
    expect((await alone.ask('GET', 'desired?wait=PT40S')).status).toBe(204);
    await api.close();
    expect((await ask('GET', 'desired')).status).toBe(204);
  });
});

describe('What is sent', () => {
  it('is answered with the receipt; 409 where it is stale, 404 where it is unknown', async () => {
    const { id, ask } = await device();
    const { id: installationId } = await offered(id);
    const { json } = await ask('GET', 'desired/firmware');
    expect(await ask('POST', 'status', status(json!, 'accepted', 1))).toMatchObject({
      status: 200,
      json: { v: 1, for: `${installationId}/1/1`, result: 'ok' },
    });
    await ask('POST', 'status', status(json!, 'installed', 2));
    expect(await ask('POST', 'status', status(json!, 'failed', 3))).toMatchObject({
      status: 409,
      json: { result: 'stale' },
    });
    const unknown = status({ ...json, installationId: id }, 'accepted', 1);
    expect(await ask('POST', 'status', unknown)).toMatchObject({ status: 404, json: { result: 'unknown' } });
    expect((await diagnostics(id)).map((one) => one.reason).sort()).toEqual(['ended', 'unknown_installation']);
  });

  it('has the topic of MQTT in last-diagnostics where it cannot be read', async () => {
    const { id, ask } = await device();
    const replies = [
      await ask('POST', 'hello', '{'),
      await ask('POST', 'status', { v: 2 }),
      await ask('POST', 'log', { v: 1, lines: ['x'.repeat(9_000)] }),
    ];
    expect(replies.map(({ status: code, json }) => [code, json!['reason']])).toEqual([
      [400, 'not_json'],
      [400, 'unknown_version'],
      [413, 'too_large'],
    ]);
    expect((await diagnostics(id)).map((one) => [one.topic, one.reason])).toEqual(
      expect.arrayContaining([
        [`slipway/v1/default/${id}/${id}/up/hello`, 'not_json'],
        [`slipway/v1/default/${id}/${id}/up/log`, 'too_large'],
      ]),
    );
    const token = await facts.token(id);
    const form = await fetch(`${apis[0]!.url}/device/v1/hello`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: '{}',
    });
    expect(form.status).toBe(415);
  });

  it('may be progress, of which one in two seconds is kept, and lines, which stand in last-diagnostics', async () => {
    const { id, ask } = await device();
    const { id: installationId } = await offered(id);
    const progress = (bytes: number) =>
      ask('POST', 'progress', { v: 1, installationId, phase: 'download', bytes, total: 100 });
    const replies = [await progress(10), await progress(20), await progress(30)];
    expect(new Set(replies.map((one) => one.status))).toEqual(new Set([204]));
    const kept = async () =>
      (
        await facts.sql<{ progress: { bytes: number } }>('SELECT progress FROM installations WHERE id = $1', [
          installationId,
        ])
      )[0]!.progress.bytes;
    // Each API has a clock of its own.
    expect(await kept()).toBeLessThan(30);
    await progress(100);
    expect(await kept()).toBe(100);
    expect((await ask('POST', 'log', { v: 1, lines: ['verify failed'] })).status).toBe(204);
    expect(await diagnostics(id)).toMatchObject([{ reason: 'log', detail: 'verify failed' }]);
  });
});

describe('A gateway', () => {
  it('speaks for the children behind it', async () => {
    const { id: gateway, ask } = await device();
    const child = await facts.device(gateway, false);
    const { id: installationId } = await offered(child);
    const path = `children/${child}`;
    const { status: code, json } = await ask('GET', `${path}/desired/firmware?wait=PT20S`);
    expect([code, json!['installationId'], json!['device']]).toEqual([200, installationId, { id: child, aliases: [] }]);
    const slots = { firmware: { version: '1', sha256: 'f'.repeat(64), confirmed: true } };
    const hello = { v: 1, msgId: 'm', agent: { name: 'gateway', version: '1' }, slots };
    expect(await ask('POST', `${path}/hello`, hello)).toMatchObject({
      status: 200,
      json: { for: 'm', result: 'ok', open: { firmware: { installationId, revision: 1 } } },
    });
    expect((await ask('POST', `${path}/status`, status(json!, 'installed', 1))).status).toBe(200);
    expect((await ask('GET', `${path}/desired`)).status).toBe(204);
  });

  it("is refused with 403 for another's child, and 404 for none; both stand in its last-diagnostics", async () => {
    const { id: gateway, ask } = await device();
    const foreign = await facts.device(undefined, false);
    const none = '123e4567-e89b-42d3-a456-426655440000';
    const hello = { v: 1, msgId: 'm', agent: { name: 'gateway', version: '1' }, slots: {} };
    expect(await ask('POST', `children/${foreign}/hello`, hello)).toMatchObject({
      status: 403,
      json: { result: 'forbidden' },
    });
    expect((await ask('POST', `children/${foreign}/log`, { v: 1, lines: ['x'] })).json).toMatchObject({
      errorCode: 'DEVICE_FOREIGN',
    });
    expect((await ask('GET', `children/${foreign}/desired`)).json).toMatchObject({ errorCode: 'DEVICE_FOREIGN' });
    expect((await ask('GET', `children/${none}/desired`)).json).toMatchObject({ errorCode: 'DEVICE_NOT_FOUND' });
    expect(await ask('POST', `children/${none}/hello`, hello)).toMatchObject({
      status: 404,
      json: { result: 'unknown' },
    });
    expect((await diagnostics(gateway)).map((one) => one.reason).sort()).toEqual([
      'forbidden',
      'forbidden',
      'forbidden',
      'unknown_device',
      'unknown_device',
    ]);
  });
});

describe('Presence', () => {
  it('is a wait, and two minutes after it', async () => {
    const { id, ask } = await device();
    const fence = { name: 'bridge', holder: 'test', epoch: (await holdLease(pool, 'bridge', 'test', 60 * MINUTE))! };
    expect(await isOnline(id)).toBe(false);
    await ask('GET', 'desired?wait=PT1S');
    const at = Date.now();
    expect(await isOnline(id)).toBe(true);
    await endPolls(pool, fence, at + 1.9 * MINUTE);
    expect(await isOnline(id)).toBe(true);
    await endPolls(pool, fence, at + 2.1 * MINUTE);
    expect(await isOnline(id)).toBe(false);
    // One that only reports is online until it is silent for too long, as over MQTT.
    await ask('POST', 'log', { v: 1, lines: ['back'] });
    await endPolls(pool, fence, at + 60 * MINUTE);
    expect(await isOnline(id)).toBe(true);
  });
});
