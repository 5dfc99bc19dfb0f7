import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { authorityRemark, Certificates, tlsPart } from '../../runtime/certificates.js';
import { createLog } from '../../runtime/log.js';
import { plainBeyondLoopback, tlsSettings } from '../../runtime/tls-settings.js';
import { developmentCertificates, type DevelopmentTls } from '../../workers/embedded/development-tls.js';
import { eventually } from '../contract/broker-clients.js';

const DAY_MS = 86_400_000;
const log = createLog('test', 'silent');
let folder: string;
let made: DevelopmentTls;
let other: DevelopmentTls;
let open: Certificates[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-tls-'));
  made = await developmentCertificates(join(folder, 'one'), ['127.0.0.1']);
  other = await developmentCertificates(join(folder, 'two'), ['127.0.0.1']);
  open = [];
});
afterEach(() => {
  for (const one of open) one.close();
  rmSync(folder, { recursive: true });
});

const opened = (lookEveryMs?: number) => {
  const certificates = new Certificates(made.files, log, lookEveryMs);
  open.push(certificates);
  return certificates;
};

describe('Certificates of a listener', () => {
  it('are read again when both files have changed; a certificate without its key changes nothing, and health says so', async () => {
    const certificates = opened(20);
    const before = certificates.context.cert;
    const received: unknown[] = [];
    certificates.onRenewed(({ cert }) => received.push(cert));

    copyFileSync(other.files.certPath, made.files.certPath);
    await eventually('the fault is seen', () => certificates.remark(Date.now()) !== undefined);
    expect(certificates.remark(Date.now())).toMatch(/^the new files of TLS cannot be used, the ones before stay: /);
    expect([certificates.context.cert, received]).toEqual([before, []]);

    copyFileSync(other.files.keyPath, made.files.keyPath);
    await eventually('they are taken', () => received.length > 0);
    expect(certificates.context.cert).toBe(readFileSync(other.files.certPath, 'utf8'));
    expect(certificates.remark(Date.now())).toBeUndefined();
  });

  it.each([
    ['no file', (path: string) => rmSync(path), /cannot be read \(SLIPWAY_TLS_KEY_PATH\)/],
    ['no PEM', (path: string) => writeFileSync(path, 'hello'), /are no certificate and its key, in PEM/],
    ['the key of another', (path: string) => copyFileSync(other.files.keyPath, path), /are no certificate and its key/],
  ])('are refused at start: %s', (_what, spoil, sentence) => {
    spoil(made.files.keyPath);
    expect(() => opened()).toThrow(sentence);
  });

  it.each([
    [31, 'up', undefined],
    [29, 'up', /ends in 29 days \(\d{4}-.*Z\): renew it$/],
    [6, 'up', /ends soon, in 6 days/],
    [-1, 'down', /ended \d{4}-.*clients refuse it/],
  ])('with %s days left are %s', (days, state, sentence) => {
    const certificates = opened();
    const now = certificates.expiresAt - (days + 0.5) * DAY_MS;
    expect(certificates.against(now) === undefined ? 'up' : 'down').toBe(state);
    const said = certificates.against(now) ?? certificates.remark(now);
    if (sentence === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(sentence);
  });
});

describe("The authority of devices' certificates", () => {
  it.each([
    [undefined, undefined],
    [31, undefined],
    [29, /^the authority of devices' certificates ends in 29 days \(.*\), and with it all that it issued$/],
    [6, /ends soon, in 6 days/],
    [-1, /ended \d{4}-/],
  ])('with %s days left is spoken of in the part tls', async (days, sentence) => {
    const certificates = opened();
    const now = Date.now();
    const ends = days === undefined ? undefined : now + (days + 0.5) * DAY_MS;
    const [part] = tlsPart(certificates, undefined, async () => authorityRemark(ends, now));
    const said = await part!.remark!();
    if (sentence === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(sentence);
    expect(await part!.check()).toBeUndefined();
  });
});

describe('A listener without TLS', () => {
  const off = tlsSettings({ SLIPWAY_HTTPS_PORT: 1, SLIPWAY_MQTT_TLS_PORT: 2 });
  it.each([
    ['127.0.0.1', false],
    ['::1', false],
    ['localhost', false],
    ['0.0.0.0', true],
    ['::', true],
    ['10.0.0.7', true],
    ['127.0.0.1.example.com', true],
  ])('at %s is spoken of in health: %s', async (host, isSaid) => {
    const sentence = plainBeyondLoopback(host, off);
    expect(sentence !== undefined).toBe(isSaid);
    const [part] = tlsPart(undefined, sentence);
    expect(await part?.remark?.()).toBe(sentence);
  });
});

describe('Certificates for development', () => {
  it('are made once, and the one of the server again for another address', async () => {
    const folderOfOne = join(folder, 'one');
    const [authority, server] = [made.authorityPath, made.files.certPath].map((path) => readFileSync(path, 'utf8'));
    await developmentCertificates(folderOfOne, ['127.0.0.1']);
    expect(readFileSync(made.files.certPath, 'utf8')).toBe(server);
    await developmentCertificates(folderOfOne, ['127.0.0.1', '192.0.2.7', '0.0.0.0']);
    expect(readFileSync(made.files.certPath, 'utf8')).not.toBe(server);
    expect(readFileSync(made.authorityPath, 'utf8')).toBe(authority);
  });
});
