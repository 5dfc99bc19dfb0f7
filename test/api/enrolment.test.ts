import { execFileSync } from 'node:child_process';
import { randomUUID, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from './api-under-test.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-enrolment-'));
let api: ApiUnderTest;
let type: string;
beforeAll(async () => {
  api = await startApi('enrolment');
  const made = await api.call('POST', '/v1/device-types', { name: 'Meter', slots: { os: { name: 'System' } } });
  type = made.body.data.id as string;
}, 120_000);
afterAll(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

const openssl = (...args: string[]) =>
  execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

/** As a device makes one: a key that stays in a file, and a request with a subject of no meaning. */
function request(key: 'P-256' | 'ed25519' | 'rsa:2048' | 'rsa:1024' = 'P-256') {
  const path = join(folder, randomUUID());
  const kind = key === 'P-256' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : [key.startsWith('rsa') ? key : key];
  const csr = openssl('req', '-new', '-nodes', '-newkey', ...kind, '-keyout', path, '-subj', '/CN=anything');
  return { csr, key: path };
}

interface Told {
  status: number;
  body: { data: Record<string, unknown>; errorCode?: string };
  headers: Headers;
}
async function enrol(token: string, body: unknown): Promise<Told> {
  const response = await fetch(`${api.url}/v1/enrolments`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Told['body'], headers: response.headers };
}
const est = (tenant: string, operation: string, user: string, password: string, csr: string) =>
  fetch(`${api.url}/.well-known/est/${tenant}/${operation}`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
      'content-type': 'application/pkcs10',
    },
    body: csr.replaceAll(/-----[^-]+-----|\s/g, ''),
  });
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const token = async (more: object = {}) => {
  const made = await api.call('POST', '/v1/enrolment-tokens', {
    deviceTypeId: type,
    uses: 10,
    expiresAt: inAnHour(),
    ...more,
  });
  expect(made.status).toBe(201);
  return made.body.data as { id: string; token: string };
};
const serial = () => `SN-${randomUUID()}`;
const usedOf = async (id: string) => {
  const { body } = await api.call('GET', '/v1/enrolment-tokens?pageSize=100');
  return (body.data as { id: string; used: number; state: string }[]).find((one) => one.id === id);
};

describe('Enrolment by a token', () => {
  it('gives a certificate for the device that it makes: CN tenant/deviceId, its own serial number, P90D', async () => {
    const { token: secret, id } = await token();
    expect(secret).toMatch(/^slpe_[0-9a-f]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
    const sn = serial();
    const { status, body } = await enrol(secret, { csr: request().csr, serial: sn, aliases: [`${sn}-b`] });
    expect([status, body.data['root']]).toEqual([201, null]);
    const { deviceId, certificate, chain } = body.data as { deviceId: string; certificate: string; chain: string[] };
    const parsed = new X509Certificate(certificate);
    expect(parsed.subject.split('\n')).toEqual([
      `CN=default/${deviceId}`,
      `serialNumber=${parsed.serialNumber.toLowerCase()}`,
    ]);
    expect(parsed.verify(new X509Certificate(chain[0]!).publicKey)).toBe(true);
    const days = (Date.parse(parsed.validTo) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(90);
    const device = await api.call('GET', `/v1/devices/${deviceId}`);
    expect(device.body.data.info).toMatchObject({ name: sn, deviceTypeId: type, aliases: [sn, `${sn}-b`] });
    const registered = await api.call('GET', `/v1/devices/${deviceId}/certificates`);
    expect(registered.body.data).toEqual([expect.objectContaining({ cert: certificate, status: 'valid' })]);
    expect(await usedOf(id)).toMatchObject({ used: 1, state: 'active' });
  });

  it.each(['P-256', 'ed25519', 'rsa:2048'] as const)('takes a key of the kind %s', async (kind) => {
    const { token: secret } = await token();
    expect((await enrol(secret, { csr: request(kind).csr, serial: serial() })).status).toBe(201);
  });

  it('gives the same answer to the same key again, and counts it once', async () => {
    const { token: secret, id } = await token({ uses: 1 });
    const [sn, { csr }] = [serial(), request()];
    const first = await enrol(secret, { csr, serial: sn });
    const again = await enrol(secret, { csr, serial: sn });
    expect([again.status, again.body.data]).toEqual([201, first.body.data]);
    expect(await usedOf(id)).toMatchObject({ used: 1, state: 'exhausted' });
  });

  it('refuses a clone: the serial with another key, and an alias of another device', async () => {
    const { token: secret, id } = await token();
    const sn = serial();
    await enrol(secret, { csr: request().csr, serial: sn });
    const clone = await enrol(secret, { csr: request().csr, serial: sn });
    const alias = await enrol(secret, { csr: request().csr, serial: serial(), aliases: [sn] });
    const rejected = [403, 'ENROLMENT_REJECTED'];
    expect([clone, alias].map(({ status, body }) => [status, body.errorCode])).toEqual([rejected, rejected]);
    expect(await usedOf(id)).toMatchObject({ used: 1 });
  });

  it('never gives more certificates than it has uses, also to 20 devices at once', async () => {
    const { token: secret, id } = await token({ uses: 5 });
    const requests = Array.from({ length: 20 }, () => ({ csr: request().csr, serial: serial() }));
    const told = await Promise.all(requests.map((one) => enrol(secret, one)));
    expect(told.filter(({ status }) => status === 201)).toHaveLength(5);
    for (const { status, body } of told.filter((one) => one.status !== 201))
      expect([status, body.errorCode]).toEqual([401, 'ENROLMENT_TOKEN_INVALID']);
    expect(await usedOf(id)).toMatchObject({ used: 5, state: 'exhausted' });
  }, 60_000);

  it('refuses a token that is unknown, revoked, or has expired', async () => {
    const revoked = await token();
    expect((await api.call('DELETE', `/v1/enrolment-tokens/${revoked.id}`)).status).toBe(204);
    const expired = await token({ expiresAt: new Date(Date.now() + 1_500).toISOString() });
    const until = Date.now() + 1_600;
    while (Date.now() < until) await new Promise((resolve) => setImmediate(resolve));
    for (const secret of ['slpe_unknown', revoked.token, expired.token]) {
      const { status, body } = await enrol(secret, { csr: request().csr, serial: serial() });
      expect([status, body.errorCode]).toEqual([401, 'ENROLMENT_TOKEN_INVALID']);
    }
    const past = { deviceTypeId: type, uses: 1, expiresAt: '2020-01-01T00:00:00Z' };
    expect((await api.call('POST', '/v1/enrolment-tokens', past)).status).toBe(400);
  });

  it.each([
    ['no request', () => 'hello'],
    ['a weak key', () => request('rsa:1024').csr],
    ['a private key beside it', () => `${request().csr}${readFileSync(request().key, 'utf8')}`],
    [
      'the signature of another key',
      () => {
        const [one, other] = [request().csr, request().csr].map((pem) =>
          Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'),
        );
        // Both are P-256 with the same subject, so that only key and signature differ: the signature is at the end.
        const mixed = Buffer.concat([one!.subarray(0, -70), other!.subarray(-70)]);
        return `-----BEGIN CERTIFICATE REQUEST-----\n${mixed.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
      },
    ],
  ])('refuses %s as a certificate request', async (_what, csr) => {
    const { token: secret, id } = await token();
    const { status, body } = await enrol(secret, { csr: csr(), serial: serial() });
    expect([status, body.errorCode]).toEqual([400, 'DEVICE_CSR_INVALID']);
    expect(await usedOf(id)).toMatchObject({ used: 0 });
  });
});

describe('Enrolment with approval', () => {
  const waiting = async () => {
    const { body } = await api.call('GET', '/v1/enrolments?state=pending&pageSize=100');
    return body.data as { id: string; serial: string }[];
  };

  it('waits for an operator, who approves; a rejected device stays out', async () => {
    const { token: secret } = await token({ approval: 'manual' });
    const [good, bad] = [serial(), serial()].map((sn) => ({ serial: sn, csr: request().csr }));
    for (const one of [good, bad]) {
      const { status, headers } = await enrol(secret, one);
      expect([status, Number(headers.get('retry-after')) > 0]).toEqual([202, true]);
    }
    const of = async (sn: string) => (await waiting()).find((one) => one.serial === sn)!.id;
    const [goodId, badId] = [await of(good!.serial), await of(bad!.serial)];
    expect((await api.call('POST', `/v1/enrolments/${goodId}/approve`, {})).body.data.state).toBe('approved');
    expect((await api.call('POST', `/v1/enrolments/${badId}/reject`, {})).body.data.state).toBe('rejected');
    expect((await enrol(secret, { ...good!, csr: request().csr })).status).toBe(403);
    expect((await enrol(secret, good)).status).toBe(201);
    expect((await enrol(secret, bad)).body.errorCode).toBe('ENROLMENT_REJECTED');
    const again = await api.call('POST', `/v1/enrolments/${goodId}/reject`, {});
    expect([again.status, again.body.errorCode]).toEqual([409, 'ENROLMENT_NOT_PENDING']);
  });

  it('waits for 1,000 devices of a tenant at most, also where they come at once', async () => {
    const owner = await api.as({ tenantId: 'crowded' });
    const made = await owner.call('POST', '/v1/device-types', { name: 'Meter', slots: { os: { name: 'System' } } });
    const wanted = { deviceTypeId: made.body.data.id, uses: 10, expiresAt: inAnHour(), approval: 'manual' };
    const secret = (await owner.call('POST', '/v1/enrolment-tokens', wanted)).body.data.token as string;
    const one = { csr: request().csr, serial: serial() };
    expect((await enrol(secret, one)).status).toBe(202);
    await api.pool.query(
      `INSERT INTO enrolments (tenant_id, id, serial, device_type_id, public_key_hash, state, created_at, created_by)
       SELECT tenant_id, gen_random_uuid(), serial || n, device_type_id, public_key_hash, state, created_at, created_by
         FROM enrolments, generate_series(1, 996) AS n WHERE tenant_id = 'crowded'`,
    );
    const told = await Promise.all(Array.from({ length: 6 }, () => enrol(secret, { ...one, serial: serial() })));
    const refused = told.filter(({ status }) => status === 429);
    expect([told.filter(({ status }) => status === 202).length, refused.length]).toEqual([3, 3]);
    expect(refused.map(({ body }) => body.errorCode)).toEqual(Array(3).fill('REQUEST_RATE'));
    expect((await enrol(secret, one)).status).toBe(202);
  }, 60_000);

  it('is not asked for by a device that was announced; with its key, no other key may come', async () => {
    const { token: secret } = await token({ approval: 'manual' });
    const [sn, own] = [serial(), request()];
    const pubkey = openssl('pkey', '-in', own.key, '-pubout');
    const announced = await api.call('POST', '/v1/enrolments/preauthorised', {
      serial: sn,
      pubkey,
      deviceTypeId: type,
    });
    expect([announced.status, announced.body.data.state]).toEqual([201, 'preauthorised']);
    expect((await enrol(secret, { serial: sn, csr: request().csr })).body.errorCode).toBe('ENROLMENT_REJECTED');
    expect((await enrol(secret, { serial: sn, csr: own.csr })).status).toBe(201);
  });

  it('opens an enrolled serial once more: the same device, with a new key', async () => {
    const { token: secret } = await token();
    const sn = serial();
    const first = await enrol(secret, { serial: sn, csr: request().csr });
    await api.call('POST', '/v1/enrolments/preauthorised', { idData: sn, deviceTypeId: type });
    const second = await enrol(secret, { serial: sn, csr: request().csr });
    expect(second.status).toBe(201);
    expect(second.body.data['deviceId']).toBe(first.body.data['deviceId']);
    expect((await enrol(secret, { serial: sn, csr: request().csr })).status).toBe(403);
  });

  it('says that a certificate was revoked to the device that asks with its key again', async () => {
    const { token: secret } = await token();
    const one = { serial: serial(), csr: request().csr };
    const { body } = await enrol(secret, one);
    const path = `/v1/devices/${body.data['deviceId'] as string}/certificates`;
    const [registered] = (await api.call('GET', path)).body.data as { id: string }[];
    await api.call('PATCH', `${path}/${registered!.id}`, { status: 'revoked' });
    const told = await enrol(secret, one);
    expect([told.status, told.body.errorCode]).toEqual([403, 'DEVICE_CERTIFICATE_REVOKED']);
  });
});

describe('Enrolment by EST', () => {
  it('gives openssl what it can read: certificates alone, signed by the authority of cacerts', async () => {
    const { token: secret } = await token();
    const response = await est('default', 'simpleenroll', serial(), secret, request().csr);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/pkcs7-mime; smime-type=certs-only',
    ]);
    const read = (base64: string, name: string) => {
      writeFileSync(join(folder, name), `-----BEGIN PKCS7-----\n${base64.trim()}\n-----END PKCS7-----\n`);
      writeFileSync(join(folder, `${name}.pem`), openssl('pkcs7', '-in', join(folder, name), '-print_certs'));
      return join(folder, `${name}.pem`);
    };
    const leaf = read(await response.text(), 'leaf');
    const ca = read(await (await fetch(`${api.url}/.well-known/est/default/cacerts`)).text(), 'ca');
    expect(openssl('verify', '-purpose', 'sslclient', '-CAfile', ca, leaf)).toContain(': OK');
  });

  it('asks a client without a token for Basic, as RFC 7030 has it, and one of the JSON form for Bearer', async () => {
    const asked = async (path: string) => {
      const response = await fetch(`${api.url}${path}`, { method: 'POST', body: 'x' });
      return [response.status, response.headers.get('www-authenticate')];
    };
    expect(await asked('/.well-known/est/default/simpleenroll')).toEqual([401, 'Basic realm="slipway"']);
    expect(await asked('/v1/enrolments')).toEqual([401, expect.stringMatching(/^Bearer /)]);
  });

  it('answers 202 while an operator has not decided, and 404 for another tenant', async () => {
    const { token: secret } = await token({ approval: 'manual' });
    const response = await est('default', 'simpleenroll', serial(), secret, request().csr);
    expect([response.status, Number(response.headers.get('retry-after')) > 0]).toEqual([202, true]);
    expect((await est('other', 'simpleenroll', serial(), secret, request().csr)).status).toBe(404);
  });
});
