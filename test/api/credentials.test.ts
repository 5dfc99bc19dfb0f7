import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hashOf } from '../../store/db/api-keys.js';
import { credentialLookup } from '../../store/fleet/broker-credentials.js';
import { findTokenHolder } from '../../store/fleet/device-tokens.js';
import { published } from '../support/published.js';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';

let api: ApiUnderTest;
let type: string;
let cert: string;
beforeAll(async () => {
  api = await startApi('api_credentials');
  type = (await api.call('POST', '/v1/device-types', { name: 'Type' })).body.data.id;
  cert = await readFile(new URL('../fixtures/device-certificate.pem', import.meta.url), 'utf8');
});
afterAll(() => api.close());

const summary = ({ status, body }: Reply): unknown[] => [status, body.errorCode];

async function device(connectedBy?: string): Promise<string> {
  return (
    await api.call('POST', '/v1/devices', {
      info: { name: 'd', deviceTypeId: type, ...(connectedBy ? { connectedBy } : {}) },
    })
  ).body.data.id as string;
}

/** @param key as `openssl req -newkey` has it */
const selfSigned = (key: readonly string[], name: string): string =>
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-nodes',
      '-keyout',
      '/dev/null',
      '-newkey',
      ...key,
      '-subj',
      `/CN=${name.replaceAll('/', '\\/')}`,
    ],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );

async function marks(subject: string): Promise<string[]> {
  const { rows } = await api.pool.query<{ receiver: string; detail: string; generation: string }>(
    'SELECT receiver, detail, generation FROM outbox WHERE subject = $1 ORDER BY 1, 2',
    [subject],
  );
  return rows.map((row) => `${row.receiver}:${row.detail}:${row.generation}`);
}

describe('a password of a device', () => {
  it('is shown once, and only its hash is kept', async () => {
    const id = await device();
    const made = await api.call('POST', `/v1/devices/${id}/credentials`, { type: 'password' });
    expect(made.status).toBe(201);
    expect(made.body.data).toEqual({
      id: expect.any(String),
      type: 'password',
      username: `default/${id}`,
      password: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      createdAt: expect.any(String),
    });
    expect(made.headers.get('cache-control')).toBe('no-store');
    const { rows } = await api.pool.query<{ secret_hash: Buffer }>(
      'SELECT secret_hash FROM device_credentials WHERE id = $1',
      [made.body.data.id],
    );
    expect(rows[0]!.secret_hash).toEqual(
      createHash('sha256')
        .update(made.body.data.password as string)
        .digest(),
    );
    const listed = await api.call('GET', `/v1/devices/${id}/credentials`);
    expect(listed.body.data).toEqual([
      { id: made.body.data.id, type: 'password', username: `default/${id}`, createdAt: made.body.data.createdAt },
    ]);
  });

  it('may be one of two that are valid at a time; a third is refused until one is revoked', async () => {
    const path = `/v1/devices/${await device()}/credentials`;
    const made = await Promise.all([1, 2, 3, 4].map(() => api.call('POST', path, { type: 'password' })));
    expect(made.map((reply) => reply.status).sort()).toEqual([201, 201, 409, 409]);
    expect(made.find((reply) => reply.status === 409)!.body.errorCode).toBe('DEVICE_CREDENTIAL_LIMIT');
    const first = made.find((reply) => reply.status === 201)!.body.data.id as string;
    expect((await api.call('DELETE', `${path}/${first}`)).status).toBe(204);
    expect(summary(await api.call('DELETE', `${path}/${first}`))).toEqual([404, 'DEVICE_CREDENTIAL_NOT_FOUND']);
    expect((await api.call('GET', path)).body.data).toHaveLength(1);
    expect((await api.call('POST', path, { type: 'password' })).status).toBe(201);
  });

  it('is sent to the broker, and moves the documents of the devices behind it', async () => {
    const gateway = await device();
    const child = await device(gateway);
    await published(api.pool, child, gateway);
    const made = await api.call('POST', `/v1/devices/${gateway}/credentials`, { type: 'password' });
    expect(await marks(gateway)).toEqual(['credential::1']);
    expect(await marks(child)).toEqual(['document:firmware:1']);
    await api.call('DELETE', `/v1/devices/${gateway}/credentials/${made.body.data.id}`);
    expect(await marks(gateway)).toEqual(['credential::2']);
  });

  it('is of no other type, and of a device that exists', async () => {
    const path = `/v1/devices/${await device()}/credentials`;
    for (const body of [{}, { type: 'key' }, { type: 'password', password: 'mine' }])
      expect(summary(await api.call('POST', path, body))).toEqual([400, 'DEVICE_VALIDATION']);
    for (const id of [randomUUID(), 'x']) {
      expect(summary(await api.call('POST', `/v1/devices/${id}/credentials`, { type: 'password' }))).toEqual([
        404,
        'DEVICE_NOT_FOUND',
      ]);
      expect(summary(await api.call('GET', `/v1/devices/${id}/credentials`))).toEqual([404, 'DEVICE_NOT_FOUND']);
    }
    expect(summary(await api.call('DELETE', `${path}/x`))).toEqual([404, 'DEVICE_CREDENTIAL_NOT_FOUND']);
  });
});

describe('a token of a device', () => {
  it('is shown once, is found by its hash, and counts apart from passwords', async () => {
    const id = await device();
    const path = `/v1/devices/${id}/credentials`;
    const made = await api.call('POST', path, { type: 'token' });
    expect([made.status, made.body.data]).toEqual([
      201,
      {
        id: expect.any(String),
        type: 'token',
        username: `default/${id}`,
        token: expect.stringMatching(/^sld_[0-9a-f]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/),
        createdAt: expect.any(String),
      },
    ]);
    const holder = () => findTokenHolder(api.pool, 'token', hashOf(made.body.data.token as string));
    expect(await holder()).toEqual({ tenantId: 'default', deviceId: id });
    for (const type of ['token', 'password', 'password'])
      expect((await api.call('POST', path, { type })).status).toBe(201);
    expect(summary(await api.call('POST', path, { type: 'token' }))).toEqual([409, 'DEVICE_CREDENTIAL_LIMIT']);
    expect(JSON.stringify((await api.call('GET', path)).body)).not.toContain('sld_');
    expect((await api.call('DELETE', `${path}/${made.body.data.id}`)).status).toBe(204);
    expect(await holder()).toBeUndefined();
  });

  it('may ask who it is, and nothing else of operators', async () => {
    const id = await device();
    const { token } = (await api.call('POST', `/v1/devices/${id}/credentials`, { type: 'token' })).body.data;
    const authorization = `Bearer ${token as string}`;
    const me = await api.call('GET', '/v1/me', undefined, { authorization });
    expect([me.status, me.body.data]).toEqual([
      200,
      { tenant: 'default', id, kind: 'device', name: id, actsAs: `device:${id}`, roles: [], permissions: [] },
    ]);
    for (const path of ['/v1/jobs', `/v1/devices/${id}`])
      expect(summary(await api.call('GET', path, undefined, { authorization }))).toEqual([401, 'AUTH_INVALID_TOKEN']);
  });

  it('is neither a key of the API nor a password of the broker', async () => {
    const id = await device();
    const { token } = (await api.call('POST', `/v1/devices/${id}/credentials`, { type: 'token' })).body.data;
    const asKey = await api.call('GET', '/v1/devices', undefined, { authorization: `Bearer ${token}` });
    expect(summary(asKey)).toEqual([401, 'AUTH_INVALID_TOKEN']);
    const claim = { username: `default/${id}`, secretHash: hashOf(token as string) };
    expect(await credentialLookup(api.pool).find([claim])).toEqual([undefined]);
  });
});

describe('a certificate of a device', () => {
  it('is stored, listed, revoked, made valid again and deleted', async () => {
    const path = `/v1/devices/${await device()}/certificates`;
    const made = await api.call('POST', path, { cert, status: 'valid' });
    expect(made.status).toBe(201);
    expect(made.body.data).toMatchObject({
      cert,
      status: 'valid',
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const own = `${path}/${made.body.data.id}`;
    expect((await api.call('GET', path)).body.data).toEqual([made.body.data]);
    expect((await api.call('PATCH', own, { status: 'revoked' })).body.data.status).toBe('revoked');
    expect((await api.call('PATCH', own, {})).body.data.status).toBe('revoked');
    expect((await api.call('PATCH', own, { status: 'valid' })).body.data.status).toBe('valid');
    expect((await api.call('PATCH', own, { status: 'maybe' })).status).toBe(400);
    expect((await api.call('PATCH', own, { cert })).status).toBe(400);
    const again = await api.call('POST', `/v1/devices/${await device()}/certificates`, { cert, status: 'valid' });
    expect(summary(again)).toEqual([409, 'DEVICE_CERTIFICATE_CONFLICT']);
    expect((await api.call('DELETE', own)).status).toBe(204);
    expect(summary(await api.call('DELETE', own))).toEqual([404, 'DEVICE_CERTIFICATE_NOT_FOUND']);
    expect(summary(await api.call('PATCH', `${path}/x`, {}))).toEqual([404, 'DEVICE_CERTIFICATE_NOT_FOUND']);
  });

  it.each([
    [
      'an RSA key of 1024 bits',
      ['rsa:1024'],
      'x',
      /has an RSA key of 1024 bits; use P-256, Ed25519, or RSA of at least 2048/,
    ],
    [
      'a curve that TLS does not have',
      ['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
      'x',
      /of the kind secp256k1; use/,
    ],
    [
      'the name of another device',
      ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      `default/${randomUUID()}`,
      /another node/,
    ],
    ['the id of another device', ['ed25519'], randomUUID(), /another node/],
    [
      "another tenant's name",
      ['ed25519'],
      'other/x',
      /names another node, "other\/x", as its common name; this device is/,
    ],
  ])('with %s is refused, with the reason', async (_what, key, name, sentence) => {
    const path = `/v1/devices/${await device()}/certificates`;
    const reply = await api.call('POST', path, { cert: selfSigned(key, name), status: 'valid' });
    expect([...summary(reply), reply.body.errors[0]]).toEqual([
      400,
      'DEVICE_VALIDATION',
      { pointer: '/cert', detail: expect.stringMatching(sentence) },
    ]);
  });

  it.each([
    ['RSA', ['rsa:2048']],
    ['P-384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['Ed25519', ['ed25519']],
  ])('of the kind %s with its own name is stored', async (_what, key) => {
    const id = await device();
    const cert = selfSigned(key, `default/${id}`);
    expect((await api.call('POST', `/v1/devices/${id}/certificates`, { cert, status: 'valid' })).status).toBe(201);
  });

  it.each([
    ['text', 'hello'],
    ['a certificate that is cut off', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'],
    ['two certificates', '-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n'],
    [
      'a private key beside it',
      '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    ],
  ])('that is %s is refused, and the answer points at it', async (_what, wrong) => {
    const reply = await api.call('POST', `/v1/devices/${await device()}/certificates`, {
      cert: wrong,
      status: 'valid',
    });
    expect(summary(reply)).toEqual([400, 'DEVICE_VALIDATION']);
    expect(reply.body.errors[0].pointer).toBe('/cert');
  });
});
