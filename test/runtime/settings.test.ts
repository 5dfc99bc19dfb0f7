import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { isSecret, readSettings, requireAddresses, SETTING_NAMES, SettingsError } from '../../runtime/settings.js';
import { SECRETS } from '../../runtime/secret-files.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));
let written = 0;
const secretFile = (content: string): string => {
  const path = join(folder, String(written++));
  writeFileSync(path, content);
  return path;
};

const problemsOf = (env: Record<string, string>): readonly string[] => {
  try {
    readSettings(env);
  } catch (error) {
    return (error as SettingsError).problems;
  }
  return [];
};

describe('settings', () => {
  it('have the documented defaults, and need none to be given', () => {
    const settings = readSettings({});
    expect(settings).toMatchObject({
      http: { host: '127.0.0.1', port: 8080 },
      publicUrl: 'http://127.0.0.1:8080',
      brokerListens: { host: '127.0.0.1', port: 1883, limits: { perDevice: 10, perAddress: 10_000 } },
      temporal: { namespace: 'default', port: 7233, uiPort: 8233 },
      blobs: { store: 'disk' },
      logLevel: 'info',
      firmwareWithoutBlobExpiresAfterMs: 300_000,
    });
    expect(settings.dataDir).toMatch(/^\/.*\.slipway$/);
    expect(settings.databaseUrl).toBeUndefined();
  });

  it('that are wrong are named all at once, in words', () => {
    const env = {
      SLIPWAY_HTTP_PORT: '80800',
      SLIPWAY_PUBLIC_URL: 'devices.example.com',
      DATABASE_URL: 'mysql://x',
      TEMPORAL_ADDRESS: 'http://temporal:7233',
      SLIPWAY_BLOB_STORE: 's3',
      SLIPWAY_FIRMWARE_WITHOUT_BLOB_EXPIRES_AFTER: '5 minutes',
      MQTT_PASSWORD: 'secret-word',
      MQTT_TLS_CERT_PATH: '/cert.pem',
    };
    const problems = problemsOf(env);
    const names = [
      'SLIPWAY_HTTP_PORT',
      'SLIPWAY_PUBLIC_URL',
      'DATABASE_URL',
      'TEMPORAL_ADDRESS',
      'SLIPWAY_S3_BUCKET',
      'SLIPWAY_FIRMWARE_WITHOUT_BLOB_EXPIRES_AFTER',
      'MQTT_USERNAME',
      'MQTT_TLS_KEY_PATH',
    ];
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual([...names].sort());
    expect(new SettingsError(problems).message).toContain('8 settings are not usable:\n');
  });

  it.each([
    ['SLIPWAY_ADMIN_TOKEN', 'short'],
    ['DATABASE_URL', 'mysql://user:hunter2@host/db'],
    ['MQTT_URL', 'http://user:hunter2@host'],
  ])('never print a secret: %s', (name, value) => {
    const [problem = ''] = problemsOf({ [name]: value });
    expect(problem).toContain(name);
    expect(problem).not.toContain(value);
  });

  it.each(SECRETS)('%s may stand in a file, without the line break at its end', (name) => {
    const value =
      name.endsWith('URL') || name.includes('_URL_')
        ? `${name === 'MQTT_URL' ? 'mqtt' : 'postgres'}://host/slipway`
        : 'a-secret-of-some-length';
    const path = secretFile(`${value}\n`);
    const others = { MQTT_USERNAME: 'service' };
    expect(readSettings({ ...others, [`${name}_FILE`]: path })).toEqual(readSettings({ ...others, [name]: value }));
  });

  it('refuse a secret together with its file, a file that is not there, and one that is empty', () => {
    const path = secretFile('postgres://from-file/slipway');
    expect(
      problemsOf({
        DATABASE_URL: 'postgres://hunter2/slipway',
        DATABASE_URL_FILE: path,
        MQTT_PASSWORD_FILE: '/no/such/file',
        TEMPORAL_API_KEY_FILE: secretFile('\n'),
      }),
    ).toEqual([
      'DATABASE_URL and DATABASE_URL_FILE are both set: keep one of them',
      'MQTT_PASSWORD_FILE: /no/such/file cannot be read (ENOENT)',
      expect.stringMatching(/^TEMPORAL_API_KEY_FILE: \/.* is empty$/),
    ]);
  });

  it('never print the content of a file that is not valid', () => {
    const [problem = ''] = problemsOf({ DATABASE_URL_FILE: secretFile('mysql://user:hunter2@host/db') });
    expect(problem).toMatch(/^DATABASE_URL must be/);
    expect(problem).not.toContain('hunter2');
  });

  it('that may hold a secret have a file, or a path, each', () => {
    const withoutFile = SETTING_NAMES.filter(
      (name) =>
        isSecret(name) &&
        !/_(FILE|PATH|DIR)$/.test(name) &&
        !SETTING_NAMES.includes(`${name}_FILE`) &&
        !SETTING_NAMES.includes(name.replace(/_DATA$/, '_PATH')),
    );
    expect(withoutFile).toEqual([]);
  });

  it("about operators' tokens need their issuer, and a place where its keys are", () => {
    expect(
      problemsOf({ SLIPWAY_JWKS_URL: 'https://id.example.com/keys', SLIPWAY_JWT_AUDIENCE: 'slipway' }).map(
        (problem) => problem.split(':')[0],
      ),
    ).toEqual(['SLIPWAY_JWT_ISSUER is missing', 'SLIPWAY_JWT_ISSUER is missing']);
    expect(problemsOf({ SLIPWAY_JWT_ISSUER: 'acme' }).map((problem) => problem.split(':')[0])).toEqual([
      'SLIPWAY_JWT_AUDIENCE is missing',
      'SLIPWAY_JWKS_URL is missing',
    ]);
    const audience = { SLIPWAY_JWT_AUDIENCE: 'slipway' };
    expect(
      problemsOf({ SLIPWAY_JWT_ISSUER: 'acme', SLIPWAY_JWKS_URL: 'https://id.example.com/keys', ...audience }),
    ).toEqual([]);
    expect(problemsOf({ SLIPWAY_JWT_ISSUER: 'https://id.example.com', ...audience })).toEqual([]);
  });

  it('with SLIPWAY_MQTT_ADMIN need the name and the password of the administrator', () => {
    expect(problemsOf({ SLIPWAY_MQTT_ADMIN: 'dynsec' }).map((problem) => problem.split(' ')[0])).toEqual([
      'MQTT_URL',
      'MQTT_USERNAME',
      'MQTT_PASSWORD',
    ]);
    expect(
      readSettings({
        SLIPWAY_MQTT_ADMIN: 'dynsec',
        MQTT_URL: 'mqtt://broker',
        MQTT_USERNAME: 'slipway',
        MQTT_PASSWORD: 'secret-word',
      }).mqtt.admin,
    ).toBe('dynsec');
    expect(readSettings({}).mqtt.admin).toBe('none');
  });

  it('that are empty count as not given', () => {
    expect(readSettings({ SLIPWAY_HTTP_PORT: '', DATABASE_URL: '' })).toMatchObject({
      http: { port: 8080 },
      databaseUrl: undefined,
    });
  });

  it('with an unknown name are listed, so that they can be warned of', () => {
    expect(readSettings({ SLIPWAY_SHOE_SIZE: '1', SLIPWAY_TEST_DATABASE_URL: 'x' }).unknown).toEqual([
      'SLIPWAY_SHOE_SIZE',
    ]);
  });

  it.each([
    ['SLIPWAY_HTP_PORT', 'SLIPWAY_HTTP_PORT'],
    ['SLIPWAY_HTTP_PROT', 'SLIPWAY_HTTP_PORT'],
    ['SLIPWAY_ADMIN_TOKENS', 'SLIPWAY_ADMIN_TOKEN'],
    ['SLIPWAY_JWKS_URI', 'SLIPWAY_JWKS_URL'],
  ])('with a name within two letters of a known one are refused: %s', (name, meant) => {
    expect(problemsOf({ [name]: 'a-value-for-it-1' })).toEqual([
      `${name} is not a setting; did you mean ${meant}? SLIPWAY_IGNORE_UNKNOWN=true starts all the same`,
    ]);
    expect(readSettings({ [name]: 'a-value-for-it-1', SLIPWAY_IGNORE_UNKNOWN: 'true' }).unknown).toEqual([name]);
  });

  it.each([
    ['PT5M', 300_000],
    ['P1DT1H1M1S', 90_061_000],
    ['PT0S', 0],
  ])('read the duration %s as %i ms', (text, ms) => {
    expect(readSettings({ SLIPWAY_FIRMWARE_WITHOUT_BLOB_EXPIRES_AFTER: text }).firmwareWithoutBlobExpiresAfterMs).toBe(
      ms,
    );
  });

  it.each(['P', 'PT', 'P1DT', 'P1M', '5', 'PT1.5H'])('refuse %s as a duration', (text) => {
    expect(problemsOf({ SLIPWAY_FIRMWARE_WITHOUT_BLOB_EXPIRES_AFTER: text })).toHaveLength(1);
  });

  it('give links that can be reached where the service listens on every address', () => {
    expect(readSettings({ SLIPWAY_HTTP_HOST: '0.0.0.0', SLIPWAY_HTTP_PORT: '9' }).publicUrl).toBe('http://127.0.0.1:9');
    expect(readSettings({ SLIPWAY_PUBLIC_URL: 'https://ota.example.com/' }).publicUrl).toBe('https://ota.example.com');
  });

  it.each([
    'https://ota.example.com/?tenant=a',
    'https://ota.example.com/?',
    'https://ota.example.com/#top',
    'https://ota.example.com#',
    'https://user@ota.example.com/',
    'https://user:word@ota.example.com/',
    'https://:word@ota.example.com/',
  ])('refuse as a base of links what no path can be appended to: %s', (value) => {
    for (const name of ['SLIPWAY_PUBLIC_URL', 'SLIPWAY_TEMPORAL_UI_URL'])
      expect(problemsOf({ [name]: value })).toEqual([expect.stringContaining('must have no user name, no query')]);
    expect(problemsOf({ SLIPWAY_MQTT_PUBLIC_URL: value.replace('https', 'mqtts') })).toEqual([
      expect.stringContaining('must have no user name, no query and no fragment: every device is told it'),
    ]);
    expect(problemsOf({ SLIPWAY_PUBLIC_URL: 'https://ota.example.com:8443/slipway/' })).toEqual([]);
    expect(problemsOf({ SLIPWAY_MQTT_PUBLIC_URL: 'mqtts://ota.example.com:8883' })).toEqual([]);
  });

  it('turn TLS to Temporal on where a key or a certificate is given, and off where that is said', () => {
    expect(readSettings({ TEMPORAL_API_KEY: 'k' }).temporal.tls).toBeDefined();
    expect(readSettings({ TEMPORAL_API_KEY: 'k', TEMPORAL_TLS: 'false' }).temporal.tls).toBeUndefined();
    expect(readSettings({}).temporal.tls).toBeUndefined();
  });

  it('name every address that a process cannot do without', () => {
    const settings = readSettings({ DATABASE_URL: 'postgres://localhost/x' });
    expect(requireAddresses(settings, 'databaseUrl')).toEqual({ databaseUrl: 'postgres://localhost/x' });
    expect(() => requireAddresses(settings, 'databaseUrl', 'temporalAddress', 'mqttUrl')).toThrow(
      /TEMPORAL_ADDRESS is missing.*\n.*MQTT_URL is missing/,
    );
  });
});
