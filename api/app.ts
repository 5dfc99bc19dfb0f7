import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { DomainError } from '../domain/errors.js';
import { Health, type Part, type UnknownPart } from '../runtime/health/parts.js';
import { SigningKey, type KeyFile } from './audit/signing-key.js';
import { Refusals } from './auth/refusals.js';
import { byApiKey, identify, type Authenticate } from './auth/authentication.js';
import { orDevice } from './auth/device-tokens.js';
import { sparingLookups } from './auth/spared-lookups.js';
import { deviceCover, deviceDialects } from './devices/dialects.js';
import { Waits } from './devices/waits.js';
import { LiveEvents } from './live/live-events.js';
import { createMetrics, type CertificateEnds } from './metrics.js';
import { mount, type Admission } from './mount.js';
import { openApiDocument } from './openapi.js';
import { BODY_TIMEOUT } from './http/body.js';
import { Limited } from './http/limited.js';
import { contentSecurity } from './http/content-security.js';
import { RequestLimits, type RequestRates } from './http/rates.js';
import { requestId } from './http/request-id.js';
import { isProbe, requestLog } from './http/request-log.js';
import type { Route, Services } from './http/route.js';
import { TenantAdmission } from './auth/tenant-admission.js';
import { apiKeyRoutes } from './routes/api-keys.js';
import { auditRoutes } from './routes/audit.js';
import { approvalRoutes } from './routes/approvals.js';
import { associationRoutes } from './routes/associations.js';
import { certificateRoutes } from './routes/certificates.js';
import { credentialRoutes } from './routes/credentials.js';
import { deviceTypeRoutes } from './routes/device-types.js';
import { deviceRoutes } from './routes/devices.js';
import { ResultKey } from './jobs/result-key.js';
import { jobResultRoutes } from './routes/job-results.js';
import { jobRoutes } from './routes/jobs.js';
import { serveDashboard } from './routes/dashboard.js';
import { deviceOpenApiRoute, openApiRoute, serveDocs } from './routes/docs.js';
import { downloadRoutes } from './routes/downloads.js';
import { hawkbitSettingsRoutes } from './routes/hawkbit-settings.js';
import { enrolmentRoutes } from './routes/enrolments.js';
import { eventRoutes } from './routes/events.js';
import { firmwareRoutes } from './routes/firmwares.js';
import { ownParts } from './health/own-parts.js';
import { healthRoutes } from './routes/health.js';
import { installationRoutes } from './routes/installations.js';
import { rolloutCommandRoutes } from './routes/rollout-commands.js';
import { rolloutPartRoutes } from './routes/rollout-parts.js';
import { rolloutTemplateRoutes } from './routes/rollout-templates.js';
import { rolloutSimulationRoutes } from './routes/rollout-simulations.js';
import { rolloutRoutes } from './routes/rollouts.js';
import { signInRoutes } from './routes/sign-in.js';
import { slotRoutes } from './routes/slots.js';
import { summaryRoutes } from './routes/summary.js';
import { tenantRoutes } from './routes/tenants.js';
import { timelineRoutes } from './routes/timeline.js';
import { uploadRoutes } from './routes/uploads.js';
import { usageRoutes } from './routes/usage.js';
import { webhookRoutes } from './routes/webhooks.js';
import { errorHandler } from './http/send.js';

/** `version` stands in /openapi.json. */
export interface AppOptions {
  services: Services;
  /** What only the process knows: the schema, Temporal. Shown by /health/ready. */
  parts?: readonly (Part | UnknownPart)[];
  /** Whether the process was told to end: then /health/ready answers 503, and requests still get their answers. */
  isEnding?: () => boolean;
  /** Who a bearer token is; API keys where nothing else is given. */
  authenticate?: Authenticate;
  /** How many requests are taken in a minute; absent = no limit. */
  rates?: RequestRates;
  /** For a JSON body to arrive, in milliseconds; absent = 30 s. */
  bodyTimeoutMs?: number;
  /** When certificates end, by their names in the metrics: epoch milliseconds, undefined where there is none. */
  certificateEnds?: CertificateEnds;
  /** What limits did, for the metrics. */
  limited?: Limited;
  /** Addresses of balancers whose X-Forwarded-For says where a request is from. */
  trustedProxies?: readonly string[];
  version?: string;
  /** Ended before the listener: its streams never end by themselves. */
  live?: LiveEvents;
  /** Ended before the listener, too: devices that wait are answered then. */
  waits?: Waits;
  /** Ended after the listener: it writes what it counted. */
  refusals?: Refusals;
  /** The key that signs the audit. */
  auditKey: KeyFile;
  /** The folder of the dashboard's files; absent = there is none. */
  dashboard?: string;
}

/** The API without its listener: a test gives it a port of its own. */
export function createApp({
  services,
  parts = [],
  isEnding,
  authenticate = byApiKey(services.pool, services.now),
  rates,
  bodyTimeoutMs,
  certificateEnds,
  limited = new Limited(services.log),
  trustedProxies = [],
  version = '0.1.0',
  live = new LiveEvents(services.pool, services.log),
  waits = new Waits(services.pool, services.log),
  refusals = new Refusals(services.pool, services.now, services.log),
  auditKey,
  dashboard,
}: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // answers are about now; 304 would be one more answer to describe
  app.enable('case sensitive routing');
  app.set('query parser', false);
  app.set('trust proxy', [...trustedProxies]);
  app.set(BODY_TIMEOUT, bodyTimeoutMs);
  const health = new Health([...ownParts(services), ...parts], isEnding);
  const metrics = createMetrics(services.pool, health, limited, certificateEnds);
  app.use(requestId, metrics.observe, requestLog(services.log), contentSecurity({ provider: services.signIn?.issuer }));
  const limits = new RequestLimits(rates, limited);
  app.use((request, _response, next) => {
    if (!isProbe(request.path)) limits.address(request.ip ?? '');
    next();
  });

  const signingKey = new SigningKey(services.pool, auditKey);
  const results = new ResultKey(signingKey);
  const signIn = signInRoutes(services, version);
  const operators = [
    ...apiRoutes(services, live),
    ...jobRoutes(services, results),
    ...jobResultRoutes(services, results),
    ...auditRoutes(signingKey),
    ...healthRoutes(health, metrics),
    ...summaryRoutes(services, health),
    openApiRoute(() => document),
    deviceOpenApiRoute(() => deviceDocument),
  ];
  const routes = [...operators, ...signIn];
  const dialects = deviceDialects(services, waits, limits);
  const document = openApiDocument(routes, services.publicUrl, version);
  const deviceDocument = openApiDocument(
    dialects.flatMap((one) => one.routes),
    services.publicUrl,
    version,
    deviceCover(dialects),
  );
  for (const dialect of dialects)
    mount(app, dialect.routes, services, {
      identify: dialect.identify,
      limits,
      refusals,
      ...(dialect.sharesPaths && { sharesPaths: dialect.sharesPaths }),
    });
  const tenants = new TenantAdmission(services.pool, services.now);
  const admit = (found: Authenticate): Admission => {
    const spared = sparingLookups(found);
    return { identify: (request) => identify(request, spared), limits, tenants, refusals };
  };
  mount(app, operators, services, admit(authenticate));
  // A device may ask who it is, and nothing else of what is for operators.
  mount(app, signIn, services, admit(orDevice(services.pool, authenticate)));
  serveDocs(app);
  serveDashboard(app, dashboard);
  app.use((request) => {
    throw new DomainError(
      'REQUEST_NOT_FOUND',
      `there is no route ${request.path.slice(0, 200)}; GET /openapi.json and /openapi-devices.json list what there is`,
    );
  });
  app.use((error: unknown, _request: Request, _response: Response, next: NextFunction) => {
    if (error instanceof DomainError && error.code === 'REQUEST_TIMEOUT')
      limited.note('body', `a request was ended: ${error.detail}`);
    next(error);
  });
  app.use(errorHandler(services.log));
  return app;
}

function apiRoutes(services: Services, live: LiveEvents): Route[] {
  return [
    ...firmwareRoutes(services),
    ...uploadRoutes(services),
    ...downloadRoutes(services),
    ...deviceTypeRoutes(),
    ...associationRoutes(),
    ...deviceRoutes(services),
    ...credentialRoutes(),
    ...certificateRoutes(),
    ...hawkbitSettingsRoutes(),
    ...enrolmentRoutes(services),
    ...slotRoutes(),
    ...timelineRoutes(),
    ...installationRoutes(services),
    ...rolloutRoutes(services),
    ...rolloutCommandRoutes(services),
    ...rolloutSimulationRoutes(services),
    ...rolloutPartRoutes(live),
    ...approvalRoutes(),
    ...usageRoutes(services),
    ...eventRoutes(live),
    ...webhookRoutes(services),
    ...rolloutTemplateRoutes(services),
    ...apiKeyRoutes(services),
    ...tenantRoutes(services),
  ];
}
