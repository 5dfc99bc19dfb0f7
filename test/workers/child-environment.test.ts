import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SECRETS } from '../../runtime/secret-files.js';
import { readSettings } from '../../runtime/settings.js';
import {
  childEnvironment,
  fetchingEnvironment,
  nativeEnvironment,
  type ChildName,
} from '../../workers/embedded/child-environment.js';

const OUTSIDE = {
  DATABASE_URL: 'postgres://owner:secret@127.0.0.1/slipway',
  SLIPWAY_DATABASE_URL_API: 'postgres://api:secret@127.0.0.1/slipway',
  SLIPWAY_DATABASE_URL_BRIDGE: 'postgres://bridge:secret@127.0.0.1/slipway',
  MQTT_URL: 'mqtt://127.0.0.1:1883',
  MQTT_USERNAME: 'slipway',
  MQTT_PASSWORD: 'secret-of-the-broker',
  SLIPWAY_MQTT_ADMIN: 'dynsec',
  TEMPORAL_ADDRESS: '127.0.0.1:7233',
  TEMPORAL_API_KEY: 'secret-of-the-engine',
  SLIPWAY_ADMIN_TOKEN: 'secret-of-the-administrator',
  SLIPWAY_BACKUP_KEY_FILE: '/secret',
  AWS_SECRET_ACCESS_KEY: 'secret-of-the-store',
};
const before = { ...process.env };
beforeEach(() => void Object.assign(process.env, OUTSIDE));
afterEach(() => {
  for (const name of Object.keys(OUTSIDE)) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
});

const ports = { http: 1, https: 6, mqtt: 2, mqtts: 7, temporal: 3, temporalUi: 4, postgres: 5 };
const addresses = {
  http: 'http://127.0.0.1:1',
  mqtt: OUTSIDE.MQTT_URL,
  temporal: OUTSIDE.TEMPORAL_ADDRESS,
  temporalUi: undefined,
  database: OUTSIDE.DATABASE_URL,
};
const of = (child: ChildName, logins?: Record<'api' | 'service' | 'bridge' | 'orchestrator', string>) =>
  childEnvironment(child, { settings: readSettings(), ports, addresses, mqttPassword: 'made here', logins });
/** Names of what is secret in it. */
const secrets = (env: NodeJS.ProcessEnv) =>
  Object.keys(env)
    .filter((name) => name in OUTSIDE && /secret/.test(env[name] ?? ''))
    .sort();

describe('The environment of a child', () => {
  it.each([
    ['api', ['AWS_SECRET_ACCESS_KEY', 'DATABASE_URL', 'SLIPWAY_DATABASE_URL_API', 'TEMPORAL_API_KEY']],
    ['orchestrator', ['DATABASE_URL', 'TEMPORAL_API_KEY']],
    ['bridge', ['MQTT_PASSWORD', 'SLIPWAY_DATABASE_URL_BRIDGE', 'TEMPORAL_API_KEY']],
    ['broker', ['DATABASE_URL', 'MQTT_PASSWORD']],
  ] as const)('has the secrets that it needs, and no other: %s', (child, wanted) => {
    expect(secrets(of(child))).toEqual(wanted);
    // What is left contradicts itself in nothing.
    expect(() => readSettings(of(child))).not.toThrow();
  });

  it('has each secret once where they stand in files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-secrets-'));
    try {
      for (const name of SECRETS.filter((secret) => process.env[secret] !== undefined)) {
        const path = join(folder, name);
        writeFileSync(path, process.env[name] ?? '');
        process.env[`${name}_FILE`] = path;
        delete process.env[name];
      }
      for (const child of ['api', 'orchestrator', 'bridge'] as const)
        expect(() => readSettings(of(child))).not.toThrow();
      const login = (child: ChildName) => readSettings(of(child)).databaseUrls;
      expect(login('api')).toMatchObject({ api: OUTSIDE.SLIPWAY_DATABASE_URL_API, bridge: undefined });
      expect(login('bridge')).toMatchObject({ api: undefined, bridge: OUTSIDE.SLIPWAY_DATABASE_URL_BRIDGE });
      expect(readSettings(of('bridge')).mqtt.password).toBe(OUTSIDE.MQTT_PASSWORD);
      expect(of('api')['SLIPWAY_ADMIN_TOKEN_FILE']).toBeUndefined();
    } finally {
      for (const name of SECRETS) delete process.env[`${name}_FILE`];
      rmSync(folder, { recursive: true });
    }
  });

  it('has the login of its process alone where PostgreSQL is embedded', () => {
    const login = (name: string) => `postgres://${name}:x@127.0.0.1/slipway`;
    const logins = {
      api: login('api'),
      service: login('service'),
      bridge: login('bridge'),
      orchestrator: login('orchestrator'),
    };
    const urls = (child: ChildName) =>
      Object.values(of(child, logins)).filter((value) => /^postgres:.*:x@|:secret@/.test(value ?? ''));
    expect(urls('api').sort()).toEqual([logins.api, logins.service]);
    expect(urls('orchestrator')).toEqual([logins.orchestrator]);
    expect(urls('bridge')).toEqual([logins.bridge]);
    expect(urls('broker')).toEqual([logins.service]);
  });

  it('has no secret at all where it is of PostgreSQL or Temporal', () => {
    expect(secrets(nativeEnvironment())).toEqual([]);
    expect(nativeEnvironment()['PATH']).toBe(process.env['PATH']);
  });

  it('has none of Slipway where something is fetched', () => {
    expect(secrets(fetchingEnvironment())).toEqual([]);
    expect(fetchingEnvironment()['PATH']).toBe(process.env['PATH']);
  });
});
