import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mosquittoAdmin } from '../adapters/broker/mosquitto-admin.js';
import { probeTemporal } from '../adapters/engine/probe.js';
import { openTemporal } from '../adapters/engine/temporal.js';
import { Leadership } from '../bridge/leader/leadership.js';
import { connectMqtt } from '../bridge/mqtt/connection.js';
import { LeaderTasks } from '../bridge/leader/leader-tasks.js';
import { installationDownloadUrl, type Sign } from '../protocol/http/download-links.js';
import { readLinkSigner } from '../store/fleet/downloads.js';
import { addCounts, INGEST_SECONDS, MESSAGES_REFUSED, REPORTS_RECORDED } from '../store/db/counters.js';
import { Listener } from '../store/outbox/listen.js';
import { readBridgeClientId } from '../store/commands/logins.js';
import { readServiceId } from '../store/db/service-id.js';
import { databaseNow } from '../store/db/clock.js';
import { BROKER_LEASE } from '../store/db/heartbeat.js';
import { openPool } from '../store/db/pool.js';
import { SchemaWatch } from '../store/db/schema-watch.js';
import { asService } from '../store/db/transaction.js';
import { administer } from '../bridge/outbound/broker-administration.js';
import { readHeldLeases } from '../store/db/vitals.js';
import { serveProbes } from '../runtime/health/probes.js';
import { exitWithParent, onShutdown } from '../runtime/shutdown.js';
import { createLog } from '../runtime/log.js';
import { readSettings, requireAddresses } from '../runtime/settings.js';
import { CounterBuffer } from '../runtime/counter-buffer.js';
import { temporalConnection } from '../runtime/temporal-connection.js';
import { taskQueueOf } from '../workflows/messages.js';

/** The process between devices, PostgreSQL and Temporal. One is active by a lease in PostgreSQL, others stand by. */
const log = createLog('bridge');
const settings = readSettings();
const { mqttUrl } = requireAddresses(settings, 'mqttUrl', 'temporalAddress');
const databaseUrl = settings.databaseUrls.bridge ?? requireAddresses(settings, 'databaseUrl').databaseUrl;
exitWithParent();

const CONNECT_TIMEOUT_MS = 5_000;
/**
 * Reports are under 8 KiB, and what is larger goes to the diagnostics: so this is above what a broker of ours lets
 * through (64 KiB). A message that ended the connection would come again with each new one.
 */
const MAX_PACKET_BYTES = 1024 * 1024;
/** Within the deadline of each check of a part (runtime/health/parts.ts). */
const TEMPORAL_DEADLINE_MS = 1_400;

const pool = openPool({
  databaseUrl,
  name: 'bridge',
  max: 10,
  onError: (error) => log.warn({ err: error }, 'an idle connection to the database broke'),
});
onShutdown(() => pool.end(), { log });
const engine = openTemporal({
  ...temporalConnection(settings),
  taskQueue: async () => taskQueueOf(await asService(pool, readServiceId)),
});
onShutdown(() => engine.close());
const schema = new SchemaWatch(pool, log);
onShutdown(() => schema.end());
let leads = () => false;
await serveProbes(
  settings.probes,
  [
    { name: 'database', check: async () => void (await pool.query('SELECT 1')), decides: true },
    { name: 'schema', check: async () => schema.reason, decides: true, askedOf: 'database' },
    {
      name: 'temporal',
      check: async () =>
        (await probeTemporal(temporalConnection(settings).connection, TEMPORAL_DEADLINE_MS)) && 'does not answer',
    },
    {
      name: 'mqtt',
      check: async () =>
        (await readHeldLeases(pool)).has(BROKER_LEASE) ? undefined : 'does not answer the bridge that leads',
      askedOf: 'database',
    },
  ],
  log,
  { slipway_bridge_leads: { help: '1 where this bridge leads, 0 where it stands by', value: () => Number(leads()) } },
);
// Nothing of what follows is right on another schema; a shutdown that came meanwhile ends the process.
if (!(await schema.fits())) await new Promise(() => undefined);

const { mqtt } = settings;
const tls = mqtt.tls && {
  ...(mqtt.tls.caPath ? { ca: readFileSync(mqtt.tls.caPath) } : {}),
  ...(mqtt.tls.certPath && mqtt.tls.keyPath
    ? { cert: readFileSync(mqtt.tls.certPath), key: readFileSync(mqtt.tls.keyPath) }
    : {}),
  ...(mqtt.tls.serverName ? { servername: mqtt.tls.serverName } : {}),
};
/** The key of the links is read once, before the first document can need it. */
let sign: Sign | undefined;
/** One client id for every bridge: the broker's own take-over ends the connection of a leader that stalled. */
let clientId: string | undefined;
async function connect() {
  sign ??= await asService(pool, readLinkSigner);
  clientId ??= await asService(pool, readBridgeClientId);
  return dial(clientId, false);
}

async function connectBeside() {
  clientId ??= await asService(pool, readBridgeClientId);
  return dial(`${clientId}-comparison`, true);
}

function dial(as: string, clean: boolean) {
  return connectMqtt({
    url: mqttUrl,
    clientId: as,
    clean,
    keepaliveSeconds: 10,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    maxPacketSize: MAX_PACKET_BYTES,
    ...(mqtt.username === undefined ? {} : { username: mqtt.username }),
    ...(mqtt.password === undefined ? {} : { password: mqtt.password }),
    ...(tls ? { tls } : {}),
  });
}

function downloadUrl(tenantId: string, installationId: string): string {
  if (!sign) throw new Error('a document was asked for before the key of the links was read');
  return installationDownloadUrl(settings.publicUrl, sign, tenantId, installationId);
}

const administration =
  settings.mqtt.admin === 'dynsec'
    ? await administer(pool, { ...mqtt, open: (login) => mosquittoAdmin(mqttUrl, login), tls }, log)
    : null;
const COUNTERS = { recorded: REPORTS_RECORDED, refused: MESSAGES_REFUSED, lag: INGEST_SECONDS } as const;
const counters = new CounterBuffer((counts) => addCounts(pool, counts), log);
onShutdown(() => counters.end());
let term: LeaderTasks | undefined;
const leadership = new Leadership(
  pool,
  'bridge',
  randomUUID(),
  (guard) => {
    term = new LeaderTasks(
      {
        pool,
        engine,
        connect,
        connectBeside,
        administration,
        downloadUrl,
        now: databaseNow,
        log,
        webhooksAllowPrivate: settings.webhooksAllowPrivate,
        communicationIntervalMs: settings.communicationIntervalMs,
        historyRetentionMs: settings.historyRetentionMs,
        ...(settings.auditRetentionMs === undefined ? {} : { auditRetentionMs: settings.auditRetentionMs }),
        counted: (outcome, reason, count) => counters.count(COUNTERS[outcome], reason, count),
      },
      guard,
    );
    return term;
  },
  log,
  { stuck: () => process.exit(1), mayNot: () => schema.reason },
);
leads = () => leadership.leads;
const listener = new Listener(
  databaseUrl,
  () => term?.wake(),
  (error) => log.warn({ err: error }, 'the listener lost its connection; the poll goes on'),
);
onShutdown(() => listener.end());
onShutdown(() => leadership.end());
