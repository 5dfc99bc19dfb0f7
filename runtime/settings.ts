import { join, resolve } from 'node:path';
import { z } from 'zod';
import { RETENTION_SETTINGS } from './retention-settings.js';
import { nearName } from '../domain/near-names.js';
import { isNetwork } from './networks.js';
import { SECRET_FILES, withSecretFiles } from './secret-files.js';
import { base, count, duration, flag, port, text, url } from './setting-kinds.js';
import { EDGE_SETTINGS, httpLimits, mqttLimits } from './edge-settings.js';
import { TLS_SETTINGS, tlsSettings, type TlsSettings } from './tls-settings.js';

/** Environment variables as a process sees them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Thrown with every mistake at once: fixing settings one at a time costs one restart for each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(readonly problems: readonly string[]) {
    super(
      `${problems.length === 1 ? 'A setting is' : `${problems.length} settings are`} not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    );
  }
}

const MODES = ['production', 'all-in-one'] as const;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Each name once. An empty value counts as none: compose files and shells cannot unset a name. */
const environment = z.object({
  ...TLS_SETTINGS,
  ...EDGE_SETTINGS,
  SLIPWAY_HTTP_PORT: port.default(8080),
  SLIPWAY_HTTP_HOST: text.default('127.0.0.1'),
  SLIPWAY_PUBLIC_URL: base.optional(),
  SLIPWAY_DATA_DIR: text.default('.slipway'),
  /** Operators paste it into headers: what a header cannot carry is refused here, not by a client later. */
  SLIPWAY_ADMIN_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,256}$/, 'must be 16 to 256 printable characters without spaces')
    .optional(),
  SLIPWAY_MQTT_PORT: port.default(1883),
  SLIPWAY_MQTT_HOST: text.default('127.0.0.1'),
  MQTT_URL: url('mqtt', 'mqtts').optional(),
  MQTT_USERNAME: text.optional(),
  MQTT_PASSWORD: text.optional(),
  /** How the outside broker learns who may connect: by mosquitto's dynamic security plugin, or not from here. */
  SLIPWAY_MQTT_ADMIN: z.enum(['none', 'dynsec'], 'must be none or dynsec').default('none'),
  /** Paths of PEM files. */
  MQTT_TLS_CA_PATH: text.optional(),
  MQTT_TLS_CERT_PATH: text.optional(),
  MQTT_TLS_KEY_PATH: text.optional(),
  MQTT_TLS_SERVER_NAME: text.optional(),
  DATABASE_URL: url('postgres', 'postgresql').optional(),
  /** Logins of single processes, each of which can become one role alone. */
  SLIPWAY_DATABASE_URL_API: url('postgres', 'postgresql').optional(),
  SLIPWAY_DATABASE_URL_BRIDGE: url('postgres', 'postgresql').optional(),
  SLIPWAY_DATABASE_URL_ORCHESTRATOR: url('postgres', 'postgresql').optional(),
  TEMPORAL_ADDRESS: z
    .string()
    .regex(/^[^\s/]+:\d{1,5}$/, 'must be host:port, without a scheme')
    .optional(),
  TEMPORAL_NAMESPACE: text.default('default'),
  TEMPORAL_API_KEY: text.optional(),
  /** The names of the SDK's own environment configuration. */
  TEMPORAL_TLS: flag.optional(),
  TEMPORAL_TLS_CLIENT_CERT_PATH: text.optional(),
  TEMPORAL_TLS_CLIENT_CERT_DATA: text.optional(),
  TEMPORAL_TLS_CLIENT_KEY_PATH: text.optional(),
  TEMPORAL_TLS_CLIENT_KEY_DATA: text.optional(),
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: text.optional(),
  TEMPORAL_TLS_SERVER_CA_CERT_DATA: text.optional(),
  TEMPORAL_TLS_SERVER_NAME: text.optional(),
  TEMPORAL_CLI_PATH: text.optional(),
  SLIPWAY_TEMPORAL_PORT: port.default(7233),
  SLIPWAY_TEMPORAL_UI_PORT: port.default(8233),
  /**
   * Where people see the processes of an outside Temporal: base of the links to it. The all in one sets it for its own.
   */
  SLIPWAY_TEMPORAL_UI_URL: base.optional(),
  /**
   * Port of the embedded PostgreSQL. Users do not need it, so that it is any free one unless a tool wants it fixed.
   */
  SLIPWAY_POSTGRES_PORT: port.default(0),
  /** Programs of another PostgreSQL for the embedded one, such as the system's, which its distribution keeps safe. */
  SLIPWAY_POSTGRES_BIN: text.optional(),
  SLIPWAY_BLOB_STORE: z.enum(['disk', 's3'], 'must be disk or s3').default('disk'),
  SLIPWAY_S3_BUCKET: text.optional(),
  SLIPWAY_S3_ENDPOINT: url('http', 'https').optional(),
  SLIPWAY_JWT_ISSUER: text.optional(),
  SLIPWAY_JWT_AUDIENCE: text.optional(),
  SLIPWAY_JWKS_URL: url('http', 'https').optional(),
  /** What the command line and the dashboard call themselves at the issuer, and what they ask it for. */
  SLIPWAY_OIDC_CLIENT_ID: text.default('slipway'),
  SLIPWAY_OIDC_SCOPES: text
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scopes with one space between them')
    .default('openid profile offline_access'),
  /** For people only: `GET /v1/about` shows it. The all in one sets it for its children. */
  SLIPWAY_MODE: z.enum(MODES, `must be one of ${MODES.join(', ')}`).default('production'),
  /** Whether webhooks may lead to loopback, link-local and private addresses. */
  SLIPWAY_WEBHOOKS_ALLOW_PRIVATE: flag.default(false),
  /** Of devices without a `communicationInterval` of their own or of their type: see docs/operations.md. */
  SLIPWAY_COMMUNICATION_INTERVAL: duration
    .refine((ms) => ms >= 30_000 && ms <= 172_800_000, 'must be between PT30S and PT48H')
    .default(2 * 3_600_000),
  /** Of one blob, and what uploads leave free on the disk of the blobs; 0 = no limit. */
  SLIPWAY_MAX_BLOB_MIB: count(0, 100_000_000).default(16_384),
  SLIPWAY_MIN_FREE_MIB: count(0, 100_000_000).default(1_024),
  /** Requests a minute that an API takes of one principal, and from one address; 0 = no limit. */
  SLIPWAY_RATE_PER_PRINCIPAL: count(0, 1_000_000).default(120_000),
  SLIPWAY_RATE_PER_ADDRESS: count(0, 1_000_000).default(600_000),
  /** Balancers before the API: their X-Forwarded-For says from where a request is. */
  SLIPWAY_TRUSTED_PROXIES: z
    .string()
    .transform((list) => list.split(',').map((one) => one.trim()))
    .refine((list) => list.every(isNetwork), 'must be addresses or networks with commas between, such as 10.0.0.0/8')
    .default([]),
  /** Where a bridge, an orchestrator or a broker answers probes: nowhere unless it is set. */
  SLIPWAY_PROBE_PORT: port.optional(),
  SLIPWAY_PROBE_HOST: text.default('127.0.0.1'),
  ...RETENTION_SETTINGS,
  /** How long an API goes on after SIGTERM, unready, so that a load balancer notices it. */
  SLIPWAY_DRAIN_DELAY: duration.refine((ms) => ms <= 300_000, 'must be PT5M at most').default(0),
  /** Signs backups, and vouches for them when they are restored: a file outside of them. */
  SLIPWAY_BACKUP_KEY_FILE: text.optional(),
  /** Signs the checkpoints of the audit; by default `audit-key` in the data folder, made at the first need. */
  SLIPWAY_AUDIT_KEY_FILE: text.optional(),
  /** Starts although a `SLIPWAY_…` name is unknown and within two letters of a known one. */
  SLIPWAY_IGNORE_UNKNOWN: flag.default(false),
  SLIPWAY_LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
  /**
   * After this time a firmware whose blob was never uploaded becomes invalid (docs/contracts/rest-api.md: five
   * minutes).
   */
  SLIPWAY_FIRMWARE_WITHOUT_BLOB_EXPIRES_AFTER: duration.default(5 * 60_000),
});
type Parsed = z.output<typeof environment>;

/** What every process knows. Times are milliseconds, paths absolute. */
export type Settings = Readonly<ReturnType<typeof arrange>>;

function arrange(env: Parsed, unknown: readonly string[]) {
  const dataDir = resolve(env.SLIPWAY_DATA_DIR);
  const tls = tlsSettings(env);
  return {
    http: { host: env.SLIPWAY_HTTP_HOST, port: env.SLIPWAY_HTTP_PORT },
    httpLimits: httpLimits(env),
    bodyTimeoutMs: env.SLIPWAY_HTTP_BODY_TIMEOUT,
    tls,
    /** Without a slash at the end. */
    publicUrl: (env.SLIPWAY_PUBLIC_URL ?? ownUrl(env.SLIPWAY_HTTP_HOST, env.SLIPWAY_HTTP_PORT, tls)).replace(
      /\/+$/,
      '',
    ),
    publicUrlIsGiven: env.SLIPWAY_PUBLIC_URL !== undefined,
    dataDir,
    adminToken: env.SLIPWAY_ADMIN_TOKEN,
    databaseUrl: env.DATABASE_URL,
    databaseUrls: {
      api: env.SLIPWAY_DATABASE_URL_API,
      bridge: env.SLIPWAY_DATABASE_URL_BRIDGE,
      orchestrator: env.SLIPWAY_DATABASE_URL_ORCHESTRATOR,
    },
    postgresPort: env.SLIPWAY_POSTGRES_PORT,
    postgresBin: env.SLIPWAY_POSTGRES_BIN,
    /** The broker that the bridge connects to. */
    mqtt: {
      url: env.MQTT_URL,
      username: env.MQTT_USERNAME,
      password: env.MQTT_PASSWORD,
      admin: env.SLIPWAY_MQTT_ADMIN,
      tls: mqttTls(env),
    },
    /** Where `workers/broker.ts` listens. */
    brokerListens: {
      host: env.SLIPWAY_MQTT_HOST,
      port: env.SLIPWAY_MQTT_PORT,
      limits: mqttLimits(env),
    },
    temporal: {
      address: env.TEMPORAL_ADDRESS,
      namespace: env.TEMPORAL_NAMESPACE,
      apiKey: env.TEMPORAL_API_KEY,
      tls: temporalTls(env),
      cliPath: env.TEMPORAL_CLI_PATH,
      port: env.SLIPWAY_TEMPORAL_PORT,
      uiPort: env.SLIPWAY_TEMPORAL_UI_PORT,
      /** Without a slash at the end; undefined where it is not set. */
      uiUrl: env.SLIPWAY_TEMPORAL_UI_URL?.replace(/\/+$/, ''),
    },
    blobs: {
      store: env.SLIPWAY_BLOB_STORE,
      folder: resolve(dataDir, 'blobs'),
      s3Bucket: env.SLIPWAY_S3_BUCKET,
      s3Endpoint: env.SLIPWAY_S3_ENDPOINT,
    },
    jwt: {
      issuer: env.SLIPWAY_JWT_ISSUER,
      audience: env.SLIPWAY_JWT_AUDIENCE,
      jwksUrl: env.SLIPWAY_JWKS_URL,
      clientId: env.SLIPWAY_OIDC_CLIENT_ID,
      scopes: env.SLIPWAY_OIDC_SCOPES.split(' '),
    },
    mode: env.SLIPWAY_MODE,
    webhooksAllowPrivate: env.SLIPWAY_WEBHOOKS_ALLOW_PRIVATE,
    communicationIntervalMs: env.SLIPWAY_COMMUNICATION_INTERVAL,
    rates: {
      perPrincipal: env.SLIPWAY_RATE_PER_PRINCIPAL || undefined,
      perAddress: env.SLIPWAY_RATE_PER_ADDRESS || undefined,
      enrolmentsPerAddress: env.SLIPWAY_ENROLMENTS_PER_ADDRESS || undefined,
    },
    uploads: {
      maxBytes: env.SLIPWAY_MAX_BLOB_MIB * 2 ** 20 || undefined,
      minFreeBytes: env.SLIPWAY_MIN_FREE_MIB * 2 ** 20 || undefined,
    },
    trustedProxies: env.SLIPWAY_TRUSTED_PROXIES,
    probes: { host: env.SLIPWAY_PROBE_HOST, port: env.SLIPWAY_PROBE_PORT },
    historyRetentionMs: env.SLIPWAY_HISTORY_RETENTION,
    auditRetentionMs: env.SLIPWAY_AUDIT_RETENTION,
    drainDelayMs: env.SLIPWAY_DRAIN_DELAY,
    backupKeyFile: env.SLIPWAY_BACKUP_KEY_FILE,
    auditKeyFile: resolve(env.SLIPWAY_AUDIT_KEY_FILE ?? join(dataDir, 'audit-key')),
    deviceAuthorityFile: resolve(env.SLIPWAY_DEVICE_AUTHORITY_FILE ?? join(dataDir, 'device-authority.pem')),
    mqttPublicUrl: env.SLIPWAY_MQTT_PUBLIC_URL,
    logLevel: env.SLIPWAY_LOG_LEVEL,
    firmwareWithoutBlobExpiresAfterMs: env.SLIPWAY_FIRMWARE_WITHOUT_BLOB_EXPIRES_AFTER,
    /** `SLIPWAY_…` names that mean nothing: they are warned of at start. One near to a known name is refused before. */
    unknown,
  };
}

function mqttTls(env: Parsed) {
  const tls = {
    caPath: env.MQTT_TLS_CA_PATH,
    certPath: env.MQTT_TLS_CERT_PATH,
    keyPath: env.MQTT_TLS_KEY_PATH,
    serverName: env.MQTT_TLS_SERVER_NAME,
  };
  return Object.values(tls).some((value) => value !== undefined) ? tls : undefined;
}

/** TLS is on where anything of it is given, or an API key is, unless TEMPORAL_TLS says otherwise: so does the SDK. */
function temporalTls(env: Parsed) {
  const tls = {
    clientCert: { path: env.TEMPORAL_TLS_CLIENT_CERT_PATH, data: env.TEMPORAL_TLS_CLIENT_CERT_DATA },
    clientKey: { path: env.TEMPORAL_TLS_CLIENT_KEY_PATH, data: env.TEMPORAL_TLS_CLIENT_KEY_DATA },
    serverCa: { path: env.TEMPORAL_TLS_SERVER_CA_CERT_PATH, data: env.TEMPORAL_TLS_SERVER_CA_CERT_DATA },
    serverName: env.TEMPORAL_TLS_SERVER_NAME,
  };
  const given = [
    ...Object.values(tls.clientCert),
    ...Object.values(tls.clientKey),
    ...Object.values(tls.serverCa),
    tls.serverName,
    env.TEMPORAL_API_KEY,
  ];
  return (env.TEMPORAL_TLS ?? given.some((value) => value !== undefined)) ? tls : undefined;
}

/** A wildcard address is where one listens, not where one connects to. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** Where a client on this machine reaches a listener: a wildcard address becomes a loopback one. */
export const httpUrl = (host: string, portNumber: number) => `http://${reachable(host)}:${portNumber}`;

/** Links begin with it unless SLIPWAY_PUBLIC_URL is set: with TLS where it is on. */
export const ownUrl = (host: string, portNumber: number, { files, httpsPort }: TlsSettings) =>
  files === undefined ? httpUrl(host, portNumber) : `https://${reachable(host)}:${httpsPort}`;

/** What belongs together: half of it is a mistake that would show late. */
function contradictions(env: Record<string, string>): string[] {
  const has = (name: string) => env[name] !== undefined;
  const problems: string[] = [];
  const pair = (one: string, other: string) => {
    if (has(one) !== has(other))
      problems.push(`${has(one) ? other : one} is missing: ${one} and ${other} belong together`);
  };
  if (env['SLIPWAY_BLOB_STORE'] === 's3' && !has('SLIPWAY_S3_BUCKET'))
    problems.push('SLIPWAY_S3_BUCKET is missing: SLIPWAY_BLOB_STORE=s3 needs it');
  for (const name of ['SLIPWAY_JWT_AUDIENCE', 'SLIPWAY_JWKS_URL'])
    if (has(name) && !has('SLIPWAY_JWT_ISSUER'))
      problems.push(`SLIPWAY_JWT_ISSUER is missing: without an issuer, ${name} has no effect`);
  const issuer = env['SLIPWAY_JWT_ISSUER'];
  if (issuer !== undefined && !has('SLIPWAY_JWT_AUDIENCE'))
    problems.push(
      'SLIPWAY_JWT_AUDIENCE is missing: without it the tokens that SLIPWAY_JWT_ISSUER gives for other services would be let in',
    );
  if (issuer !== undefined && !has('SLIPWAY_JWKS_URL') && !/^https?:\/\//.test(issuer)) {
    problems.push('SLIPWAY_JWKS_URL is missing: SLIPWAY_JWT_ISSUER is no URL that it could be discovered from');
  }
  pair('MQTT_TLS_CERT_PATH', 'MQTT_TLS_KEY_PATH');
  pair('SLIPWAY_TLS_CERT_PATH', 'SLIPWAY_TLS_KEY_PATH');
  if (env['SLIPWAY_MQTT_ADMIN'] === 'dynsec') {
    const missing = ['MQTT_URL', 'MQTT_USERNAME', 'MQTT_PASSWORD'].filter((name) => !has(name));
    problems.push(
      ...missing.map(
        (name) =>
          `${name} is missing: SLIPWAY_MQTT_ADMIN=dynsec administers an outside mosquitto in that name (docs/mosquitto.md)`,
      ),
    );
    return problems;
  }
  if (has('MQTT_USERNAME') || !has('MQTT_PASSWORD')) return problems;
  return [...problems, 'MQTT_USERNAME is missing: MQTT_PASSWORD needs it'];
}

/**
 * Reads and checks every setting (docs/architecture.md §7).
 * @throws SettingsError naming each mistake.
 */
export function readSettings(env: Environment = process.env): Settings {
  const { given, problems: ofFiles } = withSecretFiles(
    Object.fromEntries(
      Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
    ),
  );
  const parsed = environment.safeParse(given);
  // A secret that could not be read is missing, and what needs it would be named for nothing.
  const problems = ofFiles.length > 0 ? [...ofFiles] : contradictions(given);
  if (!parsed.success) {
    // Secrets are never repeated: an error text ends up in a log.
    problems.unshift(
      ...parsed.error.issues.map(
        (issue) => `${String(issue.path[0])} ${issue.message}${shown(String(issue.path[0]), given)}`,
      ),
    );
  }
  const unknown = Object.keys(given).filter(
    (name) => name.startsWith('SLIPWAY_') && !name.startsWith('SLIPWAY_TEST_') && !(name in environment.shape),
  );
  if (!ignoresUnknown(given)) problems.push(...unknown.flatMap(slipOfThePen));
  if (!parsed.success || problems.length > 0) throw new SettingsError(problems);
  return Object.freeze(arrange(parsed.data, unknown));
}

const ignoresUnknown = (given: Readonly<Record<string, string>>) =>
  ['true', '1'].includes(given['SLIPWAY_IGNORE_UNKNOWN'] ?? '');

/** A name so near to a known one is most likely meant to be it: what it sets would have no effect. */
function slipOfThePen(name: string): string[] {
  const meant = nearName(name, SETTING_NAMES);
  if (meant === undefined) return [];
  return [`${name} is not a setting; did you mean ${meant}? SLIPWAY_IGNORE_UNKNOWN=true starts all the same`];
}

/** Whether a setting may hold a secret: then no sentence repeats its value. */
export const isSecret = (name: string): boolean => /TOKEN|PASSWORD|KEY|DATA|DATABASE_URL|MQTT_URL/.test(name);

function shown(name: string, given: Record<string, string>): string {
  return isSecret(name) ? '' : `, not "${given[name] ?? ''}"`;
}

/** Names of the settings, for the test that each is documented. */
export const SETTING_NAMES: readonly string[] = [...Object.keys(environment.shape), ...SECRET_FILES];

type Outside = { databaseUrl: string; temporalAddress: string; mqttUrl: string };
const OUTSIDE = { databaseUrl: 'DATABASE_URL', temporalAddress: 'TEMPORAL_ADDRESS', mqttUrl: 'MQTT_URL' } as const;

/**
 * Addresses that a single process cannot do without. The all in one gives them to its children; a person who starts a
 * process alone sets them.
 * @throws SettingsError naming each that is missing.
 */
export function requireAddresses<K extends keyof Outside>(settings: Settings, ...names: K[]): Pick<Outside, K> {
  const all = {
    databaseUrl: settings.databaseUrl,
    temporalAddress: settings.temporal.address,
    mqttUrl: settings.mqtt.url,
  };
  const missing = names.filter((name) => all[name] === undefined);
  if (missing.length > 0)
    throw new SettingsError(
      missing.map(
        (name) => `${OUTSIDE[name]} is missing: this process needs it (npm start brings everything up by itself)`,
      ),
    );
  return Object.fromEntries(names.map((name) => [name, all[name]])) as Pick<Outside, K>;
}
