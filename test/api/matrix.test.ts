import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { OF_THE_INSTALLATION, PERMISSIONS, type Permission } from '../../domain/permissions.js';
import { startApi, type ApiUnderTest, type Client, type Reply } from './api-under-test.js';
import { MATRIX } from './matrix-rows.js';
import { uploaded } from './upload.js';

/** Who may do what, tried at every route that the OpenAPI document has; the rows are written by hand, from the contract. */
let api: ApiUnderTest;
let foreign: Client;
let expired: Client;
let revoked: Client;
/** Holds everything but this. */
const without = new Map<Permission, Client>();
const exactly = new Map<string, Client>();
/** By path prefix: a resource of the tenant `default` for each parameter. */
let own: (path: string) => string;
let clock = Date.now;

beforeAll(async () => {
  api = await startApi('api_matrix', { services: { now: () => clock() } });
  foreign = await api.as({ tenantId: 'foreign', role: 'owner' });
  for (const one of PERMISSIONS)
    without.set(one, await api.as({ permissions: PERMISSIONS.filter((other) => other !== one) }));
  expired = await api.as({ expiresAt: Date.now() + 60_000 });
  revoked = await api.as({});
  expect((await api.call('DELETE', `/v1/api-keys/${revoked.keyId}`)).status).toBe(204);
  const made = async (path: string, body: unknown) => (await api.call('POST', path, body)).body.data.id as string;
  const firmware = await uploaded(api, randomBytes(100));
  const type = await made('/v1/device-types', { name: 'T', slots: { firmware: { name: 'F' } } });
  const associations = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
  const association = await made(associations, { firmwareId: firmware });
  const device = await made('/v1/devices', { info: { name: 'd', deviceTypeId: type } });
  const credential = await made(`/v1/devices/${device}/credentials`, { type: 'password' });
  const body = { firmwareId: firmware, slot: 'firmware' };
  const installation = await made(`/v1/devices/${device}/firmware-installations`, body);
  const rollout = await made('/v1/rollouts', {
    name: 'r',
    steps: [{ slot: 'firmware', firmwareId: firmware }],
    targets: { deviceIds: [device] },
    groups: [{ name: 'all' }],
  });
  const template = await made('/v1/rollout-templates', { name: 't', priority: 1 });
  const webhook = await made('/v1/webhooks', { url: 'https://ops.example.com/slipway' });
  const ids: [prefix: string, id: string][] = [
    ['/v1/firmwares/', firmware],
    ['/v1/device-types/', type],
    ['/v1/devices/', device],
    ['/v1/rollouts/', rollout],
    ['/v1/rollout-templates/', template],
    ['/v1/webhooks/', webhook],
    ['/v1/api-keys/', expired.keyId],
    ['/v1/tenants/', 'default'],
  ];
  const others: Record<string, string> = {
    associationId: association,
    credentialId: credential,
    installationId: installation,
    slotName: 'firmware',
    name: 'all',
  };
  own = (path) => {
    const id = ids.find(([prefix]) => path.startsWith(prefix))?.[1] ?? randomUUID();
    return path.replaceAll(
      /\{(\w+)\}/g,
      (_all, name: string) => others[name] ?? (/^(id|deviceId)$/.test(name) ? id : randomUUID()),
    );
  };
}, 240_000);
afterAll(() => api.close());

type Row = readonly string[] | 'any token' | 'public';
interface Operation {
  description?: string;
  operationId?: string;
  security?: readonly object[];
}

/** What the document says that an operation asks for. */
function rowOf({ description = '', security }: Operation): Row {
  if (security?.length === 0) return 'public';
  const said = /Permission: (.*)\.$/.exec(description)?.[1] ?? '';
  const named = [...said.matchAll(/`([a-z_]+:[a-z]+)`/g)].map(([, one]) => one!);
  return named.length === 0 ? 'any token' : named.sort();
}

/** Every operation of the document, as `METHOD /path`. */
function operations(): [name: string, method: string, path: string, row: Row][] {
  const paths = api.description.document.paths as Record<string, Record<string, Operation>>;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { operationId }]) => operationId !== undefined)
      .map(([method, operation]): [string, string, string, Row] => [
        `${method.toUpperCase()} ${path}`,
        method.toUpperCase(),
        path,
        rowOf(operation),
      ]),
  );
}
const absent = (path: string): string =>
  path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
    name === 'slotName' || name === 'name' ? 'nothing' : randomUUID(),
  );
/** Nothing is changed by it: a body that fits none, or an id that is not there. */
const ask = (client: Client, method: string, path: string): Promise<Reply> =>
  client.call(method, path, ['POST', 'PUT', 'PATCH'].includes(method) ? { unknown: true } : undefined);
const refusedFor = ({ status, body }: Reply): string | undefined =>
  status === 401 || body?.errorCode === 'AUTH_FORBIDDEN' ? `${status} ${body.permission ?? body.errorCode}` : undefined;

describe('Every route', () => {
  it('has a row in the matrix, which says what the document says', () => {
    const said = Object.fromEntries(operations().map(([name, , , row]) => [name, row]));
    const rows = Object.entries(MATRIX).map(([name, row]) => [name, typeof row === 'string' ? row : [...row].sort()]);
    expect(said).toEqual(Object.fromEntries(rows));
  });

  it('lets no one in without a token, with one that expired, or with one that was revoked', async () => {
    const found: unknown[] = [];
    clock = () => Date.now() + 120_000;
    for (const [name, method, path] of operations()) {
      if (MATRIX[name] === 'public') continue;
      const bare = await api.call(method, absent(path), undefined, { authorization: '' });
      const late = await ask(expired, method, absent(path));
      const gone = await ask(revoked, method, absent(path));
      found.push([name, bare.body.errorCode, late.body.errorCode, gone.body.errorCode]);
    }
    clock = Date.now;
    const names = operations().flatMap(([name]) => (MATRIX[name] === 'public' ? [] : [name]));
    expect(found).toEqual(names.map((name) => [name, 'AUTH_MISSING_TOKEN', 'AUTH_KEY_EXPIRED', 'AUTH_INVALID_TOKEN']));
  }, 240_000);

  it('asks for each permission of its row, and for no other', async () => {
    const wrong: string[] = [];
    for (const [name, method, path] of operations()) {
      const row = MATRIX[name];
      if (!Array.isArray(row)) continue;
      for (const permission of PERMISSIONS) {
        const got = refusedFor(await ask(without.get(permission)!, method, absent(path)));
        const expected = row.includes(permission) ? `403 ${permission}` : undefined;
        if (got !== expected) wrong.push(`${name} without ${permission}: ${got ?? 'let in'}`);
      }
      const key = row.join(' ');
      if (!exactly.has(key)) exactly.set(key, await api.as({ permissions: row }));
      const got = refusedFor(await ask(exactly.get(key)!, method, absent(path)));
      if (got !== undefined) wrong.push(`${name} with all of its row: ${got}`);
    }
    expect(wrong).toEqual([]);
  }, 240_000);

  it('answers another tenant of a resource that is there as of one that is not', async () => {
    const wrong: string[] = [];
    for (const [name, method, path] of operations()) {
      const row = MATRIX[name];
      if (!Array.isArray(row) || !/\{(id|deviceId)\}/.test(path)) continue;
      const [seen, unseen] = [await ask(foreign, method, own(path)), await ask(foreign, method, absent(path))];
      const isKept = OF_THE_INSTALLATION.some((one) => row.includes(one));
      const answers = [seen, unseen].map(({ status, body }) => `${status} ${String(body?.errorCode)}`);
      if (answers[0] !== answers[1] || seen.status < 400 || (isKept && seen.status !== 403))
        wrong.push(`${name}: ${answers.join(', ')}`);
    }
    expect(wrong).toEqual([]);
  }, 240_000);
});
