import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listenWithTls } from '../../api/http/listener.js';
import { developmentCertificates } from '../../workers/embedded/development-tls.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

const DAY_MS = 86_400_000;
const folder = mkdtempSync(join(tmpdir(), 'slipway-client-certificates-'));
let api: ApiUnderTest;
let https: Awaited<ReturnType<typeof listenWithTls>>;
let ca: string;
let type: string;
/** The service's clock, ahead of the present. */
let ahead = 0;

beforeAll(async () => {
  api = await startApi('client_certificates', { services: { now: () => Date.now() + ahead } });
  const { files, authorityPath } = await developmentCertificates(folder, []);
  ca = readFileSync(authorityPath, 'utf8');
  const [cert, key] = [readFileSync(files.certPath, 'utf8'), readFileSync(files.keyPath, 'utf8')];
  https = await listenWithTls('127.0.0.1', 0, { cert, key });
  https.answerWith(api.answer);
  const made = await api.call('POST', '/v1/device-types', { name: 'Meter', slots: { os: { name: 'System' } } });
  type = made.body.data.id as string;
}, 120_000);
afterAll(async () => {
  await https.close();
  await api.close();
  rmSync(folder, { recursive: true });
});

interface Holder {
  readonly cert: string;
  readonly key: string;
  readonly deviceId: string;
  readonly serial: string;
}

function newRequest() {
  const path = join(folder, randomUUID());
  const args = ['req', '-new', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', path];
  const csr = execFileSync('openssl', [...args, '-subj', '/CN=x'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return { csr, key: readFileSync(path, 'utf8') };
}

/** As a device does with TLS: with its certificate, where it has one. */
function ask(
  path: string,
  {
    by,
    body,
    headers = {},
    method = body === undefined ? 'GET' : 'POST',
  }: {
    by?: { cert: string; key: string };
    body?: unknown;
    headers?: Record<string, string>;
    method?: string;
  },
): Promise<{ status: number; body: { data: Record<string, string>; errorCode?: string; errorMessage?: string } }> {
  return new Promise((resolve, reject) => {
    const options = { method, host: '127.0.0.1', port: https.port, path, ca, agent: false, ...by };
    const sent = request({ ...options, headers: { 'content-type': 'application/json', ...headers } }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode!, body: text === '' ? {} : JSON.parse(text) }));
    });
    sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function enrolled(): Promise<Holder> {
  const expiresAt = new Date(Date.now() + ahead + 3_600_000).toISOString();
  const { body } = await api.call('POST', '/v1/enrolment-tokens', { deviceTypeId: type, uses: 10, expiresAt });
  const [serial, { csr, key }] = [`SN-${randomUUID()}`, newRequest()];
  const told = await ask('/v1/enrolments', {
    headers: { authorization: `Bearer ${body.data.token}` },
    body: { csr, serial },
  });
  expect(told.status).toBe(201);
  return { cert: told.body.data['certificate']!, key, deviceId: told.body.data['deviceId']!, serial };
}
const hello = (by?: { cert: string; key: string }) =>
  ask('/device/v1/hello', {
    ...(by && { by }),
    body: {
      v: 1,
      msgId: randomUUID(),
      agent: { name: 'x', version: '1' },
      slots: {},
    },
  });
const renew = (by: { cert: string; key: string }) => {
  const { csr, key } = newRequest();
  return ask('/v1/device/certificate', { by, body: { csr } }).then((told) => ({ ...told, key, csr }));
};
const outcome = ({ status, body }: Awaited<ReturnType<typeof ask>>) => [status, body.errorCode];

describe('A certificate as the login of the HTTP twin', () => {
  it('lets its device in without a token, and nothing in without one of both', async () => {
    const device = await enrolled();
    expect(outcome(await hello(device))).toEqual([200, undefined]);
    expect(outcome(await hello())).toEqual([401, 'AUTH_MISSING_TOKEN']);
    const { rows } = await api.pool.query('SELECT online FROM devices WHERE id = $1', [device.deviceId]);
    expect(rows).toEqual([{ online: true }]);
  });

  it('is not believed where it is signed by itself, also with the right name', async () => {
    const { deviceId } = await enrolled();
    const [keyPath, certPath] = [join(folder, randomUUID()), join(folder, randomUUID())];
    const args = ['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', keyPath];
    execFileSync('openssl', [...args, '-out', certPath, '-subj', `/CN=default\\/${deviceId}`], { stdio: 'ignore' });
    const fake = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
    expect(outcome(await hello(fake))).toEqual([401, 'AUTH_INVALID_TOKEN']);
    await api.call('POST', `/v1/devices/${deviceId}/certificates`, { cert: fake.cert });
    expect(outcome(await hello(fake))).toEqual([401, 'AUTH_INVALID_TOKEN']);
  });

  it('is refused once it is revoked', async () => {
    const device = await enrolled();
    const path = `/v1/devices/${device.deviceId}/certificates`;
    const [registered] = (await api.call('GET', path)).body.data as { id: string }[];
    await api.call('PATCH', `${path}/${registered!.id}`, { status: 'revoked' });
    expect(outcome(await hello(device))).toEqual([403, 'DEVICE_CERTIFICATE_REVOKED']);
    expect(outcome(await renew(device))).toEqual([403, 'DEVICE_CERTIFICATE_REVOKED']);
  });

  it('that has expired renews itself for a year, and does nothing else', async () => {
    const device = await enrolled();
    try {
      ahead = 91 * DAY_MS;
      const refused = await hello(device);
      expect(outcome(refused)).toEqual([401, 'AUTH_INVALID_TOKEN']);
      expect(refused.body.errorMessage).toContain('it works for POST /v1/device/certificate alone');
      const renewed = await renew(device);
      expect([renewed.status, renewed.body.data['deviceId']]).toEqual([201, device.deviceId]);
      ahead = (90 + 366) * DAY_MS;
      expect(outcome(await renew(device))).toEqual([401, 'AUTH_INVALID_TOKEN']);
    } finally {
      ahead = 0;
    }
  });
});

describe('A device that enrols again', () => {
  it('with the key of its renewed certificate has that one; with another key it is a clone', async () => {
    const device = await enrolled();
    const renewed = await renew(device);
    expect(renewed.status).toBe(201);
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const { body } = await api.call('POST', '/v1/enrolment-tokens', { deviceTypeId: type, uses: 10, expiresAt });
    const headers = { authorization: `Bearer ${body.data.token}` };
    const again = (csr: string) => ask('/v1/enrolments', { headers, body: { csr, serial: device.serial } });
    const same = await again(renewed.csr);
    expect([same.status, same.body.data['certificate']]).toEqual([201, renewed.body.data['certificate']]);
    expect(outcome(await again(newRequest().csr))).toEqual([403, 'ENROLMENT_REJECTED']);
  });
});
