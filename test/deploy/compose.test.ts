import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { readSettings, SETTING_NAMES } from '../../runtime/settings.js';
import { migrate } from '../../store/db/migrate.js';
import { files, read } from '../repo/files.js';
import { TestedPostgres } from '../support/postgresql.js';
import { requireProgram } from '../support/programs.js';
import { composeSchema, run } from './programs.js';

interface Service {
  image: string;
  command?: string[];
  build?: unknown;
  user?: string;
  read_only?: boolean;
  environment?: Record<string, string>;
  volumes?: string[];
  depends_on?: Record<string, unknown>;
}
const text = read('docker-compose.yml');
const compose = parse(text, { merge: true }) as { services: Record<string, Service>; volumes: Record<string, unknown> };
const services = Object.entries(compose.services);
const ours = services.filter(([, { image, user }]) => image.includes('SLIPWAY_IMAGE') && user === undefined);

/**
 * Settings that docker-compose.yml does not have, by the reason; a name that ends in * stands for all that begin so.
 */
const NOT_THERE: Readonly<Record<string, readonly string[]>> = {
  'set by the image': ['SLIPWAY_HTTP_HOST', 'SLIPWAY_HTTP_PORT', 'SLIPWAY_PROBE_*', 'SLIPWAY_DATA_DIR', 'SLIPWAY_MODE'],
  'of the embedded parts, of which there are none': [
    'SLIPWAY_MQTT_PORT',
    'SLIPWAY_MQTT_HOST',
    'SLIPWAY_MQTT_CONNECTIONS_*',
    'SLIPWAY_MQTT_BYTES_BEFORE_CONNECT',
    'SLIPWAY_MQTT_MESSAGES_PER_SECOND',
    'SLIPWAY_POSTGRES_*',
    'SLIPWAY_TEMPORAL_PORT',
    'SLIPWAY_TEMPORAL_UI_PORT',
    'TEMPORAL_CLI_PATH',
  ],
  'the proxy has TLS': ['SLIPWAY_TLS_*', 'SLIPWAY_HTTPS_PORT', 'SLIPWAY_MQTT_TLS_PORT'],
  'parts of one network speak without TLS, and Temporal has no key': [
    'TEMPORAL_TLS*',
    'TEMPORAL_API_KEY',
    'MQTT_TLS_*',
  ],
  'files of keys stand in the data folder': [
    'SLIPWAY_AUDIT_KEY_FILE',
    'SLIPWAY_DEVICE_AUTHORITY_FILE',
    'SLIPWAY_BACKUP_KEY_FILE',
  ],
  'blobs are in S3': ['SLIPWAY_MIN_FREE_MIB'],
  'for a mistake': ['SLIPWAY_IGNORE_UNKNOWN'],
};
const reasons = Object.values(NOT_THERE).flat();
const isExcused = (name: string) =>
  reasons.some((known) => (known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : name === known)) ||
  // A secret stands in the environment here; its file is the other way.
  (name.endsWith('_FILE') && SETTING_NAMES.includes(name.slice(0, -'_FILE'.length)));

/** Of programs and libraries that Slipway is made of. */
const OF_OTHERS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION', 'NODE_EXTRA_CA_CERTS'];

describe('docker-compose.yml', () => {
  it('has the form that the specification asks for', () => {
    const schema = JSON.parse(read(composeSchema())) as Record<string, unknown>;
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    expect([validate(compose), validate.errors]).toEqual([true, null]);
    expect(validate({ services: { api: { imagine: 'slipway' } } })).toBe(false);
  });

  it('has every process twice, with a root that is read-only, and names only what is there', () => {
    const commands = ours.map(([, { command }]) => command?.join(' '));
    expect(commands.sort()).toEqual(
      ['api', 'api', 'bridge', 'bridge', 'migrate', 'orchestrator', 'orchestrator'].sort(),
    );
    expect(ours.filter(([, { read_only: isReadOnly }]) => isReadOnly !== true)).toEqual([]);
    for (const [name, { depends_on: needs, volumes = [] }] of services) {
      const sources = volumes.map((volume) => volume.split(':')[0]!);
      const missing = [
        ...Object.keys(needs ?? {}).filter((other) => !(other in compose.services)),
        ...sources.filter((source) => (source.startsWith('.') ? !existsSync(source) : !(source in compose.volumes))),
      ];
      expect([name, missing]).toEqual([name, []]);
    }
  });

  it('has each setting of docs/operations.md, or the reason why not, and no other', () => {
    const there = new Set(ours.flatMap(([, { environment = {} }]) => Object.keys(environment)));
    expect(SETTING_NAMES.filter((name) => !there.has(name) && !isExcused(name))).toEqual([]);
    expect([...there].filter((name) => !SETTING_NAMES.includes(name) && !OF_OTHERS.includes(name))).toEqual([]);
    expect([...there].filter(isExcused)).toEqual([]);
    const operations = read('docs/operations.md');
    expect([...there].filter((name) => !OF_OTHERS.includes(name) && !operations.includes(`\`${name}\``))).toEqual([]);
  });

  it('has each variable in .env.example, and none stands there for nothing', () => {
    const used = new Set([...text.matchAll(/\$\{([A-Z0-9_]+)/g)].map(([, name]) => name!));
    const offered = [...read('.env.example').matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name!);
    expect(offered.filter((name) => !used.has(name))).toEqual([]);
    expect([...used].filter((name) => !offered.includes(name))).toEqual([]);
    expect(new Set(offered).size).toBe(offered.length);
    // What must be set says so; what may stay empty has a default.
    const must = new Set([...text.matchAll(/\$\{([A-Z0-9_]+):\?set it in \.env\}/g)].map(([, name]) => name!));
    const [required = ''] = read('.env.example').split('# All that follows may stay empty.');
    expect([...required.matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name!).sort()).toEqual([...must].sort());
    expect([...text.matchAll(/\$\{[A-Z0-9_]+\}/g)].map(([bare]) => bare)).toEqual([]);
  });

  it('gives each process settings with which it starts', () => {
    const given: Record<string, string> = { SLIPWAY_HOST: 'slipway.localhost' };
    const filled = (value: string) =>
      value.replaceAll(
        /\$\{([A-Z0-9_]+):([?-])[^}]*\}/g,
        (_, name: string, kind) => given[name] ?? (kind === '-' ? '' : 'a'.repeat(48)),
      );
    for (const [name, { environment = {} }] of ours) {
      const env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, filled(value)]));
      const settings = readSettings(env);
      expect([name, settings.unknown]).toEqual([name, []]);
      if (name.startsWith('api')) expect(settings.publicUrl).toBe('https://slipway.localhost:8443');
    }
  });

  it('has a proxy whose configuration haproxy takes', () => {
    requireProgram('/usr/sbin/haproxy', 'debian');
    const folder = mkdtempSync(join(tmpdir(), 'slipway-compose-'));
    try {
      const pair = join(folder, 'slipway.pem');
      execFileSync(
        requireProgram('openssl', 'debian'),
        ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=x', '-keyout', pair, '-out', `${pair}.crt`],
        { stdio: 'ignore' },
      );
      const whole = read(`${pair}.crt`) + read(pair);
      writeFileSync(pair, whole);
      const file = join(folder, 'haproxy.cfg');
      writeFileSync(file, read('deploy/compose/haproxy.cfg').replaceAll('/certs/slipway.pem', pair));
      const { status, stderr } = spawnSync('/usr/sbin/haproxy', ['-c', '-f', file], { encoding: 'utf8' });
      // The names are those of containers: they are looked up when the proxy runs.
      const complaints = stderr.split('\n').filter((line) => !/\[NOTICE\]|could not resolve address|^$/.test(line));
      expect([status, complaints]).toEqual([0, []]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has Prometheus scrape each process of it, with the rules', () => {
    expect(run('promtool', ['check', 'config', '--syntax-only', 'deploy/prometheus/prometheus.yml'])).toMatchObject({
      status: 0,
    });
    const scraped = [...read('deploy/prometheus/prometheus.yml').matchAll(/'([a-z]+-\d):\d+'/g)].map(
      ([, name]) => name,
    );
    expect(scraped.sort()).toEqual(
      ours
        .map(([name]) => name)
        .filter((name) => name !== 'migrate')
        .sort(),
    );
    expect(files).toContain('deploy/prometheus/slipway.rules.yml');
  });

  it('makes users and a database with which Slipway makes its tables', async () => {
    const postgres = await TestedPostgres.start();
    try {
      const { hostname, port, username, password } = new URL(postgres.url);
      execFileSync('deploy/compose/databases.sh', {
        env: {
          PATH: process.env['PATH'],
          PGHOST: hostname,
          PGPORT: port,
          PGPASSWORD: password,
          POSTGRES_USER: username,
          SLIPWAY_POSTGRES_PASSWORD: "it's a secret",
          TEMPORAL_POSTGRES_PASSWORD: 'another',
        },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      await migrate(`postgres://slipway:${encodeURIComponent("it's a secret")}@${hostname}:${port}/slipway`);
    } finally {
      await postgres.close();
    }
  });
});
