import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defined } from '../domain/defined.js';
import { fileAuthority } from '../adapters/authority/file.js';
import { OldHashThread } from '../adapters/blobs/old-hash-thread.js';
import { openDiskBlobs } from '../adapters/blobs/disk.js';
import { IS_UNKNOWN_NAMESPACE, probeTemporal } from '../adapters/engine/probe.js';
import { DomainError } from '../domain/errors.js';
import { ensureBootstrapKey } from '../store/db/api-keys.js';
import { forgetEndedCredentials } from '../store/fleet/broker-credentials.js';
import { expireDrafts } from '../store/fleet/firmwares.js';
import { sweepIdempotencyKeys } from '../store/db/idempotency.js';
import { Listener } from '../store/outbox/listen.js';
import { CHANNEL } from '../store/outbox/outbox.js';
import { databaseNow } from '../store/db/clock.js';
import { openPool, servedBy } from '../store/db/pool.js';
import { softness } from '../store/db/process-logins.js';
import { SchemaWatch } from '../store/db/schema-watch.js';
import { drainFirst, exitWithParent, isShuttingDown, onShutdown } from '../runtime/shutdown.js';
import { createLog } from '../runtime/log.js';
import { pauseUnless } from '../runtime/pause.js';
import { authorityRemark, Certificates, tlsPart } from '../runtime/certificates.js';
import { httpUrl, reachable, readSettings, requireAddresses, type Settings } from '../runtime/settings.js';
import { plainBeyondLoopback } from '../runtime/tls-settings.js';
import { temporalConnection } from '../runtime/temporal-connection.js';
import { SigningKey, type KeyFile } from '../api/audit/signing-key.js';
import { Refusals } from '../api/auth/refusals.js';
import { authorityFile } from './embedded/authority-file.js';
import { createPrivateFile, readFileIfAny } from './embedded/private-file.js';
import { createApp } from '../api/app.js';
import { removeMarkedContents } from '../api/http/content-removal.js';
import { byApiKey, eitherOf } from '../api/auth/authentication.js';
import { UsedKeys } from '../api/auth/used-keys.js';
import { ResultKey } from '../api/jobs/result-key.js';
import { JobRunner } from '../api/jobs/runner.js';
import { dropLeftovers } from '../store/rollouts/leftovers.js';
import { forgetPending } from '../store/commands/enrolments.js';
import { asService } from '../store/db/transaction.js';
import { dropDeliveriesLeft } from '../store/history/webhook-leftovers.js';
import { sweepJobs } from '../store/jobs/sweep.js';
import { sweepResults } from '../store/jobs/results.js';
import { removeMarkedPieces, sweepUploads } from '../api/routes/upload-pieces.js';
import { UPLOAD_LIFETIME_MS } from '../api/routes/uploads.js';
import { Housekeeping } from '../api/housekeeping.js';
import { Limited } from '../api/http/limited.js';
import { listen, listenWithTls } from '../api/http/listener.js';
import { Waits } from '../api/devices/waits.js';
import { LiveEvents } from '../api/live/live-events.js';
import type { Services } from '../api/http/route.js';
import type { Part, UnknownPart } from '../runtime/health/parts.js';
import { Simulations } from '../api/simulation/simulations.js';

/** The process of the REST API and the device HTTP interfaces. Any number of them. */
const log = createLog('api');
const settings = readSettings();
const { databaseUrl } = requireAddresses(settings, 'databaseUrl');
exitWithParent();

/**
 * A request holds a connection for a few milliseconds: beyond this number they only wait in PostgreSQL instead of here.
 */
const POOL_SIZE = 16;
/** Keys are found and figures read on these: some statements a second. */
const SERVICE_POOL_SIZE = 6;
const PREPARE_AGAIN_MS = 500;
/** Within the deadline of the whole check (runtime/health/parts.ts). */
const TEMPORAL_DEADLINE_MS = 1_400;
/** Drafts are *shown* as expired from their time on; this only writes it down. */
const EXPIRE_DRAFTS_MS = 30_000;
const SWEEP_MS = 10 * 60_000;
/** They are refused from their time on; this removes them from the database. */
const SWEEP_RESULTS_MS = 60_000;
/** `lastUsedAt` is told to the minute; what is written is one statement for all keys that were used since. */
const WRITE_KEY_USE_MS = 10_000;
/** What was deleted goes at once; this is for what a crash or a store that was away left. */
const REMOVE_CONTENTS_MS = 60_000;
/** Nothing shows them: they only take room. */
const DROP_LEFTOVERS_MS = 60_000;
/**
 * Far beyond the time after which the listener closes a connection on which nothing moves (2 minutes): what is this old
 * has no owner.
 */
const UPLOAD_ABANDONED_MS = 60 * 60_000;

const onError = (error: Error) => log.warn({ err: error }, 'an idle connection to the database broke');
const ownUrl = settings.databaseUrls.api;
const pool = openPool({ databaseUrl: ownUrl ?? databaseUrl, name: 'api', max: POOL_SIZE, onError });
onShutdown(() => pool.end(), { log });
// A login that can serve requests of tenants alone cannot be the service, too.
if (ownUrl !== undefined) {
  const service = openPool({ databaseUrl, name: 'api-service', max: SERVICE_POOL_SIZE, onError });
  servedBy(pool, service);
  onShutdown(() => service.end());
}
const blobs = await openBlobs(settings);
onShutdown(() => blobs.close());
const oldHashes = new OldHashThread();
onShutdown(() => oldHashes.close());

const cannotListen = (port: number, setting: string) => (error: unknown) => {
  log.fatal(
    { err: error },
    `cannot listen on ${settings.http.host}:${port}; is another Slipway running? Set ${setting}`,
  );
  process.exit(1);
};
const certificates = openCertificates(settings);
const limited = new Limited(log);
const edge = { ...settings.httpLimits, trustedProxies: settings.trustedProxies };
const http = await listen(settings.http.host, settings.http.port, edge, limited).catch(
  cannotListen(settings.http.port, 'SLIPWAY_HTTP_PORT'),
);
const https = certificates && (await openHttps(certificates, settings));
const publicUrl = settings.publicUrlIsGiven
  ? settings.publicUrl
  : https === undefined
    ? httpUrl(settings.http.host, http.port)
    : `https://${reachable(settings.http.host)}:${https.port}`;
const isPlain = publicUrl.startsWith('https://') ? undefined : plainSentence(settings);
if (isPlain !== undefined) log.warn(isPlain);

/** Jobs are worked on once the schema fits. */
const jobs: { runner?: JobRunner } = {};
const services: Services = {
  wakeJobs: () => jobs.runner?.wake(),
  pool,
  blobs,
  publicUrl,
  log,
  now: databaseNow,
  authority: fileAuthority(authorityFile(settings.deviceAuthorityFile)),
  ...(settings.mqttPublicUrl === undefined ? {} : { mqttUrl: settings.mqttPublicUrl }),
  ...(settings.temporal.uiUrl === undefined
    ? {}
    : {
        workflowUrl: (id: string) =>
          `${settings.temporal.uiUrl}/namespaces/${settings.temporal.namespace}/workflows/${id}`,
      }),
  draftLifetimeMs: settings.firmwareWithoutBlobExpiresAfterMs,
  simulations: new Simulations(),
  oldHashes,
  mode: settings.mode,
  ...(settings.temporal.uiUrl === undefined ? {} : { temporalUiUrl: settings.temporal.uiUrl }),
  ...signInOf(settings),
  webhooksAllowPrivate: settings.webhooksAllowPrivate,
  uploads: settings.uploads,
  wall: () => softness(pool),
  notifyOutbox: () =>
    void pool
      .query(`NOTIFY ${CHANNEL}`)
      .catch((error: unknown) => log.debug({ err: error }, 'the sender was not woken; its poll finds the marks')),
};

/** `slipway-admin migrate` brings the schema up to date, never this: any number of these start, in any order. */
const schema = new SchemaWatch(pool, log);
/** Whether the bootstrap key works. Until then the port answers, and says that it is not ready. */
let prepared = false;
const unready = () => schema.reason ?? (prepared ? undefined : 'fits; the admin token is being looked at');
const usedKeys = new UsedKeys();
onShutdown(async () => {
  await usedKeys
    .write(pool)
    .catch((error: unknown) => log.warn({ err: error }, 'the last use of keys was not written'));
});
const authenticate = eitherOf(byApiKey(pool, services.now, usedKeys), await operatorTokens(settings));
const live = new LiveEvents(pool, log);
const waits = new Waits(pool, log);
const listener = new Listener(
  ownUrl ?? databaseUrl,
  () => waits.wake(),
  (error) => log.debug({ err: error }, 'devices that wait are woken more slowly: the database was not heard'),
);
onShutdown(() => listener.end());
const refusals = new Refusals(pool, services.now, log);
const auditKey: KeyFile = {
  path: settings.auditKeyFile,
  read: () => readFileIfAny(settings.auditKeyFile),
  create(pem) {
    mkdirSync(dirname(settings.auditKeyFile), { recursive: true, mode: 0o700 });
    return createPrivateFile(settings.auditKeyFile, pem);
  },
};
const app = createApp({
  services,
  live,
  waits,
  refusals,
  auditKey,
  parts: [
    { name: 'schema', check: async () => unready(), decides: true, askedOf: 'database' },
    temporalPart(settings),
    ...tlsPart(certificates, isPlain, async () => authorityRemark(await services.authority.expiresAt(), databaseNow())),
  ],
  certificateEnds: async () => ({
    tls: certificates?.expiresAt,
    device_authority: await services.authority.expiresAt(),
  }),
  isEnding: isShuttingDown,
  rates: settings.rates,
  bodyTimeoutMs: settings.bodyTimeoutMs,
  limited,
  dashboard: fileURLToPath(new URL('../web/', import.meta.url)),
  trustedProxies: settings.trustedProxies,
  authenticate: async (token) => {
    if (unready() !== undefined)
      throw new DomainError(
        'SERVICE_UNAVAILABLE',
        'the database is not ready for this process: GET /health/ready says why',
      );
    return authenticate(token);
  },
});
http.answerWith(app);
https?.answerWith(app);
onShutdown(() => refusals.end());
onShutdown(async () => void (await Promise.all([http.close(), https?.close()])));
onShutdown(() => live.end());
onShutdown(() => waits.end());
onShutdown(() => schema.end());
drainFirst(settings.drainDelayMs, () => {
  log.info({ delayMs: settings.drainDelayMs }, 'shuts down: not ready from now on');
  http.sendAway();
  https?.sendAway();
});
log.info({ url: publicUrl, port: http.port, ...(https && { httpsPort: https.port }) }, 'listens');
await prepare();
const housekeeping = new Housekeeping(
  [
    {
      name: 'firmware without a blob expired',
      everyMs: EXPIRE_DRAFTS_MS,
      run: () => expireDrafts(pool, settings.firmwareWithoutBlobExpiresAfterMs, databaseNow()),
    },
    {
      name: 'idempotency keys were forgotten',
      everyMs: SWEEP_MS,
      run: () => sweepIdempotencyKeys(pool, databaseNow()),
    },
    {
      name: 'contents that no firmware needs were removed',
      everyMs: REMOVE_CONTENTS_MS,
      run: () => removeMarkedContents(pool, blobs),
    },
    {
      name: 'pieces of uploads of removed tenants were removed',
      everyMs: REMOVE_CONTENTS_MS,
      run: () => removeMarkedPieces(services),
    },
    {
      name: 'enrolments without a decision were forgotten',
      everyMs: SWEEP_MS,
      run: () => asService(pool, (tx) => forgetPending(tx, databaseNow())),
    },
    { name: 'keys were used', everyMs: WRITE_KEY_USE_MS, run: async () => 0 * (await usedKeys.write(pool)) },
    { name: 'jobs that ended were forgotten', everyMs: SWEEP_MS, run: () => sweepJobs(pool, databaseNow()) },
    {
      name: 'targets of rollouts that were deleted went after them',
      everyMs: DROP_LEFTOVERS_MS,
      run: () => dropLeftovers(pool),
    },
    {
      name: 'deliveries of webhooks that were deleted went after them',
      everyMs: DROP_LEFTOVERS_MS,
      run: () => dropDeliveriesLeft(pool),
    },
    { name: 'results of jobs expired', everyMs: SWEEP_RESULTS_MS, run: () => sweepResults(pool, databaseNow()) },
    { name: 'ended credentials were forgotten', everyMs: SWEEP_MS, run: () => forgetEndedCredentials(pool) },
    {
      name: 'what broken uploads left behind was removed',
      everyMs: SWEEP_MS,
      run: () => blobs.sweep(UPLOAD_ABANDONED_MS),
    },
    {
      name: 'uploads that resume have expired',
      everyMs: SWEEP_MS,
      run: () => sweepUploads(services, UPLOAD_LIFETIME_MS),
    },
  ],
  log,
);
onShutdown(() => housekeeping.end());
jobs.runner = new JobRunner(
  pool,
  databaseNow,
  log,
  services.notifyOutbox,
  new ResultKey(new SigningKey(pool, auditKey)),
);
onShutdown(() => jobs.runner?.end());

/** The database may come later than this process: it is asked until it is there. */
async function prepare(): Promise<void> {
  const ending = new AbortController();
  onShutdown(() => ending.abort());
  while (!prepared && !ending.signal.aborted) {
    try {
      if (!(await schema.fits())) return;
      if (settings.adminToken === undefined)
        log.warn('SLIPWAY_ADMIN_TOKEN is not set: only keys that are in the database work');
      else await bootstrap(settings.adminToken);
      prepared = true;
      log.info('is ready');
    } catch (error) {
      log.warn({ err: error }, 'the database could not be prepared; trying again');
      await pauseUnless(ending.signal, PREPARE_AGAIN_MS);
    }
  }
}

async function bootstrap(token: string): Promise<void> {
  const outcome = await ensureBootstrapKey(pool, token);
  if (outcome === 'renewed') log.info('the admin token is another one: the one before it works no longer');
  if (outcome === 'replaced')
    log.error('SLIPWAY_ADMIN_TOKEN was replaced by a newer one and works no longer: use that one, or set a new one');
  if (outcome === 'revoked')
    log.error('SLIPWAY_ADMIN_TOKEN was revoked by DELETE /v1/api-keys and works no longer: set a new one');
}

async function openBlobs({ blobs: { store, folder, s3Bucket, s3Endpoint } }: Settings) {
  if (store === 'disk') return openDiskBlobs(folder);
  // Loaded where it is used: the SDK of S3 takes 20 MB.
  const { openS3Blobs } = await import('../adapters/blobs/s3.js');
  return openS3Blobs({
    bucket: defined(s3Bucket, 'settings with SLIPWAY_BLOB_STORE=s3 name a bucket'),
    ...(s3Endpoint === undefined ? {} : { endpoint: s3Endpoint }),
  });
}

/** The other processes talk to it; this one may not know where it is. */
function temporalPart({ temporal }: Settings): Part | UnknownPart {
  const name = 'temporal';
  if (temporal.address === undefined) return { name, unknown: 'this API has no TEMPORAL_ADDRESS to ask it at' };
  const { connection, namespace } = temporalConnection(settings);
  return {
    name,
    check: async () => {
      const against = await probeTemporal(connection, TEMPORAL_DEADLINE_MS, namespace);
      if (against === undefined) return undefined;
      const what = IS_UNKNOWN_NAMESPACE.test(against) ? 'does not know its namespace' : 'does not answer';
      return `${what}: installations wait where they are`;
    },
  };
}

/** What cannot be used is a mistake of the settings: it shows at start, not at the first client. */
function openCertificates({ tls: { files } }: Settings): Certificates | undefined {
  if (files === undefined) return undefined;
  try {
    const opened = new Certificates(files, log);
    onShutdown(() => opened.close());
    return opened;
  } catch (error) {
    log.fatal({ err: error }, (error as Error).message);
    process.exit(1);
  }
}

function plainSentence({ http: { host }, tls }: Settings): string | undefined {
  const plain = plainBeyondLoopback(host, tls);
  return (
    plain && `this API ${plain}, or put a proxy with TLS before it and set SLIPWAY_PUBLIC_URL to its https address`
  );
}

async function openHttps(from: Certificates, { http: { host }, tls: { httpsPort } }: Settings) {
  const listener = await listenWithTls(host, httpsPort, from.context, edge, limited).catch(
    cannotListen(httpsPort, 'SLIPWAY_HTTPS_PORT'),
  );
  from.onRenewed((context) => listener.renew(context));
  return listener;
}

/** What clients are told of the identity provider. */
function signInOf({ jwt }: Settings): Pick<Services, 'signIn'> {
  const { issuer, audience, clientId, scopes } = jwt;
  return issuer === undefined || audience === undefined ? {} : { signIn: { issuer, clientId, audience, scopes } };
}

/** Loaded where it is used: most have keys only. */
async function operatorTokens({ jwt }: Settings) {
  // The settings are refused where only one of them has a value.
  if (jwt.issuer === undefined || jwt.audience === undefined) return undefined;
  const { byOperatorToken } = await import('../api/auth/operator-tokens.js');
  const { issuer, audience, jwksUrl, clientId } = jwt;
  return byOperatorToken(pool, { issuer, audience, jwksUrl, clientId }, log);
}
