import { createHmac } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { migrate } from '../store/db/migrate.js';
import { makeLogins, processLogins, type Login } from '../store/db/process-logins.js';
import { isUnreachable } from '../store/db/sqlstates.js';
import {
  addressesOf,
  startMessage,
  removeEndpoints,
  writeEndpoints,
  type Addresses,
  type Ports,
} from './embedded/addresses.js';
import { assertNotRestoring } from './embedded/backup-marker.js';
import { childEnvironment, type ChildName } from './embedded/child-environment.js';
import { allowLonger, onShutdown, shutDown } from '../runtime/shutdown.js';
import { developmentCertificates, howToTrust } from './embedded/development-tls.js';
import { lockDataDir } from './embedded/lock.js';
import { nodeChild } from './embedded/node-child.js';
import { settlePorts } from './embedded/ports.js';
import { startPostgres } from './embedded/postgres.js';
import { keepSecret, makePrivateFolder, readFileIfAny, writePrivateFile } from './embedded/private-file.js';
import { tellWhenReady } from './embedded/readiness.js';
import { endLeftovers, recordProcesses, type ProcessRecord } from './embedded/recorded-processes.js';
import { supervise, type Supervisor } from './embedded/supervisor.js';
import { findTemporal } from './embedded/temporal-binary.js';
import { startTemporal } from './embedded/temporal.js';
import { createLog, type Log } from '../runtime/log.js';
import { readSettings, type Settings } from '../runtime/settings.js';

/**
 * What is left after this is killed, so that the whole shutdown stays under 10 s (docs/architecture.md §7), beside the
 * drain delay of the API.
 */
const STOP_LIMIT_MS = 9_000;
/** Of that, what each group may take: the API drains its requests, the worker its activities. */
const GRACE_MS = { node: 5_000, broker: 1_000, temporal: 2_000, postgres: 3_000 };
/** An outside database may be started by the same script a moment later. */
const DATABASE_LIMIT_MS = 30_000;

interface Services {
  settings: Settings;
  ports: Ports;
  record: ProcessRecord;
  supervisor: Supervisor;
  log: Log;
}

const say = (text: string) => process.stdout.write(`${text}\n`);

/** The all in one: everything that is not outside, started, watched and ended by one process. */
async function up(): Promise<void> {
  const given = readSettings();
  const log = createLog('up', given.logLevel);
  makePrivateFolder(given.dataDir);
  const dataDir = realpathSync(given.dataDir);
  const isDevelopment = process.argv.includes('--tls') && given.tls.files === undefined;
  const made = isDevelopment
    ? await developmentCertificates(join(dataDir, 'tls'), [given.http.host, given.brokerListens.host])
    : undefined;
  const settings = { ...given, dataDir, ...(made && { tls: { ...given.tls, files: made.files } }) };
  const { drainDelayMs } = settings;
  allowLonger(drainDelayMs);
  for (const name of settings.unknown) log.warn({ name }, 'there is no setting of this name: it is ignored');

  if (settings.probes.port !== undefined)
    log.warn('SLIPWAY_PROBE_PORT is for processes that run alone, and is ignored here: the API tells of all parts');

  const lock = lockDataDir(dataDir);
  const record = recordProcesses(dataDir);
  const supervisor = supervise(log);
  const ending = new AbortController();
  onShutdown(() => lock.release(), { log });
  assertNotRestoring(dataDir);
  onShutdown(async () => {
    ending.abort();
    await Promise.race([supervisor.stop(), sleep(STOP_LIMIT_MS + drainDelayMs, undefined, { ref: false })]);
    const killed = record.killAll();
    if (killed.length > 0) log.error({ killed }, 'these took too long to stop and were killed');
    record.clear();
    removeEndpoints(dataDir);
  });
  // A terminal that is closed.
  process.on('SIGHUP', () => shutDown());

  removeEndpoints(dataDir);
  await endLeftovers(dataDir, log);
  const ports = await portsOf(settings, log);
  const services = { settings, ports, record, supervisor, log };
  const [database] = await Promise.all([databaseOf(services), engineOf(services)]);
  await migrateWhenReachable(database);
  const addresses = addressesOf(settings, ports, database);
  const logins = settings.databaseUrl === undefined ? await loginsOf(database, dataDir) : undefined;
  await startChildren(services, addresses, logins);
  writeEndpoints(dataDir, addresses);
  say(
    startMessage(
      addresses,
      dataDir,
      settings.adminToken === undefined ? adminTokenFile(dataDir) : 'as in SLIPWAY_ADMIN_TOKEN',
    ),
  );
  if (made) say(`${howToTrust(made.authorityPath)}\n`);
  if (!settings.publicUrlIsGiven && ['0.0.0.0', '::'].includes(settings.http.host)) {
    say('Devices elsewhere cannot download from 127.0.0.1: set SLIPWAY_PUBLIC_URL to an address that they reach.\n');
  }
  void tellWhenReady(addresses.http, ending.signal, say);
}

const adminTokenFile = (dataDir: string) => join(dataDir, 'admin-token');
/** What the file says where the token came from the environment: it is not kept in clear then. */
const FROM_ENVIRONMENT = '# The admin token came from SLIPWAY_ADMIN_TOKEN: it is kept as a hash only.\n';

/**
 * The newest admin token counts. One of the environment takes the place of the file's; later starts without it leave
 * the key as it is, in the database.
 */
function adminTokenFor(dataDir: string, given: string | undefined): NodeJS.ProcessEnv {
  const file = adminTokenFile(dataDir);
  if (given !== undefined) {
    if (readFileIfAny(file)?.trim() !== given) writePrivateFile(file, FROM_ENVIRONMENT);
    return { SLIPWAY_ADMIN_TOKEN: given };
  }
  const kept = keepSecret(file);
  return kept.startsWith('#') ? {} : { SLIPWAY_ADMIN_TOKEN: kept };
}

/** Ports of what is started here; those of outside services are not looked at. */
async function portsOf(
  { dataDir, http, brokerListens, mqtt, temporal, databaseUrl, postgresPort, tls }: Settings,
  log: Log,
): Promise<Ports> {
  const here = '127.0.0.1';
  const own = {
    http: { ...http, setting: 'SLIPWAY_HTTP_PORT' },
    ...(tls.files && { https: { host: http.host, port: tls.httpsPort, setting: 'SLIPWAY_HTTPS_PORT' } }),
    ...(tls.files && mqtt.url === undefined
      ? { mqtts: { host: brokerListens.host, port: tls.mqttsPort, setting: 'SLIPWAY_MQTT_TLS_PORT' } }
      : {}),
    ...(mqtt.url === undefined ? { mqtt: { ...brokerListens, setting: 'SLIPWAY_MQTT_PORT' } } : {}),
    ...(temporal.address === undefined
      ? {
          temporal: { host: here, port: temporal.port, setting: 'SLIPWAY_TEMPORAL_PORT' },
          temporalUi: { host: here, port: temporal.uiPort, setting: 'SLIPWAY_TEMPORAL_UI_PORT' },
        }
      : {}),
    ...(databaseUrl === undefined
      ? { postgres: { host: here, port: postgresPort, setting: 'SLIPWAY_POSTGRES_PORT' } }
      : {}),
  };
  const asGiven = {
    http: http.port,
    https: tls.httpsPort,
    mqtt: brokerListens.port,
    mqtts: tls.mqttsPort,
    temporal: temporal.port,
    temporalUi: temporal.uiPort,
    postgres: postgresPort,
  };
  return { ...asGiven, ...(await settlePorts(dataDir, own, log)) };
}

/** URL of the outside PostgreSQL, or of the one that is started here. */
async function databaseOf({ settings, ports, record, supervisor, log }: Services): Promise<string> {
  if (settings.databaseUrl !== undefined) return settings.databaseUrl;
  let url = '';
  const start = async (signal: AbortSignal) => {
    const server = await startPostgres({
      dataDir: join(settings.dataDir, 'postgres'),
      port: ports.postgres,
      bin: settings.postgresBin,
      log,
      signal,
      onSpawn: (pid) => record.add('postgres', pid),
    });
    url = server.url;
    return { ...server, stop: () => server.stop(GRACE_MS.postgres) };
  };
  await supervisor.start([{ name: 'postgres', start }]);
  return url;
}

/** Starts Temporal unless there is one outside. */
async function engineOf({ settings, ports, record, supervisor, log }: Services): Promise<void> {
  if (settings.temporal.address !== undefined) return;
  const binary = await findTemporal({ log, cliPath: settings.temporal.cliPath });
  say(`Temporal server ${binary.serverVersion}: ${binary.how}.`);
  const start = async (signal: AbortSignal) => {
    const server = await startTemporal({
      binary: binary.path,
      // A newer server does not migrate an older one's file: each version has its own, and the processes are started
      // again from PostgreSQL.
      dbFile: join(settings.dataDir, 'temporal', binary.serverVersion, 'temporal.db'),
      port: ports.temporal,
      uiPort: ports.temporalUi,
      namespace: settings.temporal.namespace,
      log,
      signal,
      onSpawn: (pid) => record.add('temporal', pid),
    });
    return { ...server, stop: () => server.stop(GRACE_MS.temporal) };
  };
  await supervisor.start([{ name: 'temporal', start }]);
}

async function migrateWhenReachable(databaseUrl: string): Promise<void> {
  const deadline = Date.now() + DATABASE_LIMIT_MS;
  for (;;) {
    try {
      await migrate(databaseUrl);
      return;
    } catch (error) {
      if (!isUnreachable(error) || Date.now() > deadline) throw error;
    }
    await sleep(250);
  }
}

/** Made anew with each start, so that a data folder of an earlier version, or one that was restored, has them, too. */
async function loginsOf(databaseUrl: string, dataDir: string): Promise<Record<Login, string>> {
  const secret = keepSecret(join(dataDir, 'database-logins'));
  const logins = processLogins(databaseUrl, (login) =>
    createHmac('sha256', secret).update(`database login ${login}`).digest('base64url'),
  );
  await makeLogins(databaseUrl, logins);
  return Object.fromEntries(logins.map(({ login, url }) => [login, url])) as Record<Login, string>;
}

/** The broker first: the bridge would otherwise wait for its first pause between two tries. */
async function startChildren(
  { settings, ports, record, supervisor }: Services,
  addresses: Addresses,
  logins: Record<Login, string> | undefined,
): Promise<void> {
  const { dataDir, adminToken, drainDelayMs } = settings;
  const around = { settings, ports, addresses, logins, mqttPassword: keepSecret(join(dataDir, 'mqtt-password')) };
  const child = (name: ChildName, path: string, graceMs: number, more: NodeJS.ProcessEnv = {}) =>
    nodeChild({
      name,
      file: fileURLToPath(new URL(path, import.meta.url)),
      env: { ...childEnvironment(name, around), ...more },
      graceMs,
      onSpawn: (pid) => record.add(name, pid),
    });
  if (settings.mqtt.url === undefined) await supervisor.start([child('broker', './broker.js', GRACE_MS.broker)]);
  await supervisor.start([
    child('api', './api.js', GRACE_MS.node + drainDelayMs, adminTokenFor(dataDir, adminToken)),
    child('orchestrator', './orchestrator.js', GRACE_MS.node),
    child('bridge', './bridge.js', GRACE_MS.node),
  ]);
}

up().catch((error: unknown) => {
  // While it is being stopped, what was being started fails: that is no news.
  if ((error as Error).message !== 'Slipway is being stopped')
    process.stderr.write(`Slipway did not start. ${(error as Error).message}\n`);
  shutDown(undefined, 1);
});
