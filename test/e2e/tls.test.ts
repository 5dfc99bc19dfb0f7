import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { developmentCertificates } from '../../workers/embedded/development-tls.js';
import { cmdTopic } from '../../protocol/mqtt/topics.js';
import { DeviceClient } from '../contract/broker-clients.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'slipway-tls-e2e-'));
const slipway = new TestedAllInOne(join(folder, 'data'), {}, ['--tls']);
const authority = join(slipway.dataDir, 'tls', 'authority.pem');
const curl = async (path: string, ...more: string[]) =>
  (await run('curl', ['--silent', '--show-error', '--cacert', authority, ...more, `${slipway.endpoints.https}${path}`]))
    .stdout;

beforeAll(() => slipway.start(), 120_000);
afterAll(async () => {
  await slipway.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** As a client sees it that begins now. */
const fingerprint = async () => {
  const { hostname, port } = new URL(slipway.endpoints.https!);
  const socket = tls.connect({ host: hostname, port: Number(port), ca: readFileSync(authority, 'utf8') });
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
};

describe('npm start -- --tls', () => {
  it('prints how to trust it, and answers curl with TLS and HSTS beside the plain port', async () => {
    expect(slipway.output).toContain(`curl --cacert ${authority}`);
    expect(await curl('/health/live', '--include')).toMatch(/strict-transport-security: max-age=/i);
    const { dependencies } = JSON.parse(await curl('/health/ready?all=true')) as {
      dependencies: Record<string, object>;
    };
    expect(dependencies['tls']).toEqual({ status: 'up' });
    expect((await fetch(`${slipway.endpoints.http}/health/live`)).status).toBe(200);
    await expect(run('curl', ['--silent', `${slipway.endpoints.https}/health/live`])).rejects.toMatchObject({
      code: 60,
    });
  });

  it('lets a device in with TLS', async () => {
    const { operator } = slipway;
    const deviceTypeId = await operator.deviceType({ name: 'board', slots: { os: { name: 'System' } } });
    const { username, password } = await operator.password(await operator.device({ name: 'one', deviceTypeId }));
    const { hostname, port } = new URL(slipway.endpoints.mqtts!);
    const publish = (...more: string[]) =>
      run('mosquitto_pub', [
        ...['-h', hostname, '-p', port, '-u', username, '-P', password, '-q', '1', '-t', 'nowhere', '-m', 'x'],
        ...more,
      ]);
    await publish('--cafile', authority);
    await expect(publish('--capath', folder)).rejects.toMatchObject({
      stderr: expect.stringMatching(/TLS|certificate/i),
    });
  });

  it('takes renewed files without a restart, and cuts no download that is under way', async () => {
    const before = await fingerprint();
    const bytes = Buffer.alloc(64 * 2 ** 20, 7);
    writeFileSync(join(folder, 'blob'), bytes);
    const id = await slipway.operator.firmware('large', '1.0.0', join(folder, 'blob'));
    const { downloadUrl } = await slipway.operator.call<{ downloadUrl: string }>('GET', `/v1/firmwares/${id}`);
    expect(downloadUrl.startsWith(`${slipway.endpoints.https}/`)).toBe(true);
    const got = join(folder, 'got');
    const download = spawn('curl', [
      '--silent',
      '--cacert',
      authority,
      '--limit-rate',
      '8M',
      '--output',
      got,
      downloadUrl,
    ]);
    const ended = new Promise<number | null>((resolve) => download.once('exit', resolve));
    await developmentCertificates(join(slipway.dataDir, 'tls'), ['192.0.2.9']);
    await until('the new certificate is shown', async () => (await fingerprint()) !== before);
    expect(download.exitCode).toBeNull();
    expect(await ended).toBe(0);
    expect(readFileSync(got).equals(bytes)).toBe(true);
  }, 120_000);
});

describe('A device with a certificate', () => {
  const pathOf = (name: string) => join(folder, name);
  const withCertificate = (name: string) => ['--cert', pathOf(`${name}.pem`), '--key', pathOf(`${name}.key`)];
  const newKey = (name: string) => [
    ...['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', pathOf(`${name}.key`)],
  ];
  /** A request with a new key, as the body of what a device sends. */
  const asked = async (name: string, more: object = {}) => {
    const { stdout: csr } = await run('openssl', ['req', '-new', ...newKey(name), '-subj', '/CN=x']);
    return ['--json', JSON.stringify({ csr, ...more })];
  };
  interface Given {
    data: { deviceId: string; certificate: string; mqttUrl: string };
    errorCode?: string;
  }
  const connects = async (name: string) => {
    const { hostname, port } = new URL(slipway.endpoints.mqtts!);
    const told = await run('mosquitto_pub', [
      ...['-h', hostname, '-p', port, '--cafile', authority, ...withCertificate(name)],
      ...['-q', '1', '-t', 'nowhere', '-m', 'x'],
    ]).catch((error: { stderr: string }) => error);
    return told.stderr === '' ? 'let in' : told.stderr.trim();
  };
  const renewal = async (by: string, next: string) =>
    JSON.parse(await curl('/v1/device/certificate', ...withCertificate(by), ...(await asked(next)))) as Given;

  it('enrols with curl and openssl, is let in by it alone, renews it, and is cut off once it is revoked', async () => {
    const { operator } = slipway;
    const deviceTypeId = await operator.deviceType({ name: 'meter', slots: { os: { name: 'System' } } });
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const { token } = await operator.call<{ token: string }>('POST', '/v1/enrolment-tokens', {
      ...{ deviceTypeId, uses: 1, expiresAt },
    });
    const bearer = ['--header', `Authorization: Bearer ${token}`];
    const { data } = JSON.parse(
      await curl('/v1/enrolments', ...bearer, ...(await asked('first', { serial: 'SN-1' }))),
    ) as Given;
    expect(data.mqttUrl).toBe(slipway.endpoints.mqtts);
    writeFileSync(pathOf('first.pem'), data.certificate);
    expect(await connects('first')).toBe('let in');
    const certificates = `/v1/devices/${data.deviceId}/certificates`;

    // The same name, signed by itself, and registered by an operator: no authority of the installation issued it.
    const subject = `/CN=default\\/${data.deviceId}`;
    await run('openssl', ['req', '-x509', '-out', pathOf('fake.pem'), ...newKey('fake'), '-subj', subject]);
    await operator.call('POST', certificates, { cert: readFileSync(pathOf('fake.pem'), 'utf8') });
    expect(await connects('fake')).toMatch(/not authori[sz]ed|bad user name/i);

    const renewed = await renewal('first', 'second');
    expect(renewed.data.deviceId).toBe(data.deviceId);
    writeFileSync(pathOf('second.pem'), renewed.data.certificate);
    expect([await connects('second'), await connects('first')]).toEqual(['let in', 'let in']);

    const [ca, cert, key] = [authority, pathOf('first.pem'), pathOf('first.key')].map((path) => readFileSync(path));
    const connected = await DeviceClient.connect(slipway.endpoints.mqtts!, {}, { ca: ca!, cert: cert!, key: key! });
    const own = { tenant: 'default', node: data.deviceId, device: data.deviceId };
    expect(await connected.subscribe(cmdTopic(own))).toBe(1);
    for (const { id } of await operator.call<{ id: string }[]>('GET', certificates))
      await operator.call('PATCH', `${certificates}/${id}`, { status: 'revoked' });
    await until('its connection is cut', () => connected.closed, 5_000);
    await until('it is not let in any more', async () => (await connects('second')) !== 'let in', 5_000);
    expect((await renewal('second', 'third')).errorCode).toBe('DEVICE_CERTIFICATE_REVOKED');
  }, 120_000);
});
