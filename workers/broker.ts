import { fileAuthority } from '../adapters/authority/file.js';
import { byCertificate } from '../adapters/broker/certificates.js';
import { startEmbeddedBroker, type BrokerLimit, type EmbeddedBroker } from '../adapters/broker/embedded.js';
import { addCounts, CONNECTIONS_REFUSED, type CONNECTION_LIMITS, MESSAGES_REFUSED } from '../store/db/counters.js';
import { asService } from '../store/db/transaction.js';
import { credentialLookup } from '../store/fleet/broker-credentials.js';
import { keepDiagnostics } from '../store/fleet/diagnostics.js';
import { findCertificate } from '../store/fleet/device-certificates.js';
import { databaseNow } from '../store/db/clock.js';
import { openPool } from '../store/db/pool.js';
import { Passwords } from '../adapters/broker/passwords.js';
import { BrokerRefusals } from '../adapters/broker/refusals.js';
import { Certificates, tlsPart } from '../runtime/certificates.js';
import { plainBeyondLoopback } from '../runtime/tls-settings.js';
import { serveProbes } from '../runtime/health/probes.js';
import { exitWithParent, onShutdown } from '../runtime/shutdown.js';
import { createLog } from '../runtime/log.js';
import { pauseUnless } from '../runtime/pause.js';
import { readSettings, requireAddresses, SettingsError } from '../runtime/settings.js';
import { authorityFile } from './embedded/authority-file.js';
import { CounterBuffer } from '../runtime/counter-buffer.js';

/** The embedded broker. Without PostgreSQL it lets no new client in, and those who are connected stay. */
const log = createLog('broker');
const settings = readSettings();
const { databaseUrl } = requireAddresses(settings, 'databaseUrl');
const { username, password } = settings.mqtt;
if (username === undefined || password === undefined)
  throw new SettingsError(['MQTT_USERNAME and MQTT_PASSWORD are missing: the broker knows the bridge by them']);
exitWithParent();

/** "Revocation effective in under 5 s": a second, a slow statement, and room. */
const LOOK_EVERY_MS = 1_000;

const LIMIT_NAMES: Readonly<Record<BrokerLimit, (typeof CONNECTION_LIMITS)[number]>> = {
  perDevice: 'device',
  perAddress: 'address',
  messages: 'messages',
  bytes: 'bytes',
  handshake: 'handshake',
};

const pool = openPool({
  databaseUrl,
  name: 'broker',
  max: 3,
  onError: (error) => log.warn({ err: error }, 'an idle connection to the database broke'),
});
onShutdown(() => pool.end(), { log });
const passwords = new Passwords(credentialLookup(pool), { username, password }, databaseNow);
const counters = new CounterBuffer((counts) => addCounts(pool, counts), log);
onShutdown(() => counters.end());
const refusals = new BrokerRefusals(
  {
    count: (reason) => counters.count(MESSAGES_REFUSED, reason, 1),
    keep: (refused) => asService(pool, (tx) => keepDiagnostics(tx, refused)),
  },
  log,
  databaseNow,
);
onShutdown(() => refusals.end());
const { files, mqttsPort } = settings.tls;
const certificates = files && new Certificates(files, log);
onShutdown(() => certificates?.close());
const authority = fileAuthority(authorityFile(settings.deviceAuthorityFile));
const isPlain = plainBeyondLoopback(settings.brokerListens.host, settings.tls);
if (isPlain !== undefined) log.warn(`The broker ${isPlain}`);
const broker = await startEmbeddedBroker({
  ...settings.brokerListens,
  ...(certificates && {
    tls: {
      port: mqttsPort,
      context: certificates.context,
      authenticate: byCertificate(
        {
          find: (tenantId, fingerprint) => asService(pool, (tx) => findCertificate(tx, { tenantId, fingerprint })),
          hasIssued: (der) => authority.hasIssued(der),
        },
        databaseNow,
      ),
    },
  }),
  authenticate: (name, secret) => passwords.check(name, secret),
  log,
  onRefused: (refused) => refusals.add(refused),
  onLimit: (limit) => counters.count(CONNECTIONS_REFUSED, LIMIT_NAMES[limit], 1),
});
certificates?.onRenewed((context) => broker.renewTls(context));
onShutdown(() => broker.close());
await serveProbes(
  settings.probes,
  [
    { name: 'database', check: async () => void (await pool.query('SELECT 1')), decides: true },
    ...tlsPart(certificates, isPlain && `the broker ${isPlain}`),
  ],
  log,
  {
    slipway_broker_connections: {
      help: 'Clients that are connected to this broker',
      value: () => broker.connected().length,
    },
  },
);
const looking = new AbortController();
const looked = look(broker, looking.signal);
onShutdown(async () => {
  looking.abort();
  await looked;
});
log.info(
  { host: settings.brokerListens.host, port: broker.port, ...(broker.tlsPort && { tlsPort: broker.tlsPort }) },
  'the broker listens',
);

/** Cuts off clients whose credential is no longer valid; none while PostgreSQL is away: it says so once. */
async function look(from: EmbeddedBroker, ended: AbortSignal): Promise<void> {
  let away = false;
  while (!ended.aborted) {
    try {
      for (const { identity, credentialId } of await passwords.revoked(from.connected())) {
        if (identity.kind === 'device') from.disconnect(identity.tenant, identity.node, credentialId);
        log.info(
          { ...(identity.kind === 'device' && { tenantId: identity.tenant, deviceId: identity.node }), credentialId },
          'cut off: the credential was revoked',
        );
      }
      if (away) log.info({}, 'the database answers again');
      away = false;
    } catch (error) {
      if (!away)
        log.warn(
          { err: error },
          'the database does not answer: connected clients stay, new ones are told to come again',
        );
      away = true;
    }
    await pauseUnless(ended, LOOK_EVERY_MS);
  }
}
