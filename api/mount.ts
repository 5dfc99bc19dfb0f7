import type { Express, Request, Response } from 'express';
import { defined } from '../domain/defined.js';
import { DomainError, type ErrorCode } from '../domain/errors.js';
import type { Tx } from '../store/db/pool.js';
import { asService, asTenant } from '../store/db/transaction.js';
import type { Refusals } from './auth/refusals.js';
import { ANYONE } from './auth/authentication.js';
import type { TenantAdmission } from './auth/tenant-admission.js';
import { authorize } from './http/authorize.js';
import { checkMediaType, readJson } from './http/body.js';
import { faultsOf, refuseFaults } from './http/errors.js';
import { answeredOnce, keyedRequest, takesKey } from './http/idempotency.js';
import { endWithToken } from './http/open-answers.js';
import { kindsOf, parseQuery } from './http/query.js';
import { recordAct, recorded } from './http/acts.js';
import type { Answer, Call, Principal, Route, Services } from './http/route.js';
import type { RequestLimits } from './http/rates.js';
import { sendAnswer } from './http/send.js';

type Method = Route['method'];

/** Who comes in, how often, and where it is noted what was refused. */
export interface Admission {
  /** Who asks. @throws DomainError AUTH_MISSING_TOKEN, AUTH_INVALID_TOKEN */
  readonly identify: (request: Request) => Promise<Principal>;
  readonly limits: RequestLimits;
  /** Absent = requests are taken while their tenant is suspended, and count for no quota. */
  readonly tenants?: TenantAdmission;
  readonly refusals: Refusals;
  /** Of these paths, methods that are not declared here are looked for in what is mounted after. */
  readonly sharesPaths?: readonly string[];
}

/**
 * Makes each path of the routes one express handler: it knows all its methods, so it can say which there are (405 with
 * Allow).
 */
export function mount(app: Express, routes: readonly Route[], services: Services, admission: Admission): void {
  const paths = new Map<string, Map<Method, Prepared>>();
  for (const route of routes) {
    if (!['get', 'head'].includes(route.method) && route.audit === undefined)
      throw new Error(`${route.operationId} does not say how it stands in the audit: an action, or null`);
    const methods = paths.get(route.path) ?? new Map<Method, Prepared>();
    if (methods.has(route.method)) throw new Error(`${route.method.toUpperCase()} ${route.path} is declared twice`);
    paths.set(route.path, methods.set(route.method, { route, kinds: kindsIn(route) }));
  }
  // What is written out goes before what is a parameter: /v1/devices/summary is no device.
  const ordered = [...paths].sort(([a], [b]) => specificity(a).localeCompare(specificity(b)));
  for (const [path, methods] of ordered) {
    app.all(path.replaceAll(/\{(\w+)\}/g, ':$1'), async (request, response, next) => {
      overrideMethod(methods, request, response);
      const prepared = chosen(methods, request);
      if (!prepared && admission.sharesPaths?.includes(path)) {
        response.locals['methodsBefore'] = [...methods.keys()];
        return next();
      }
      if (!prepared) return refuseMethod(methods, request, response);
      response.locals['path'] = path;
      try {
        sendAnswer(response, await run(prepared, request, response, services, admission));
      } catch (error) {
        admission.refusals.notice(error, `${prepared.route.method.toUpperCase()} ${path}`, request, response);
        throw error;
      }
    });
  }
}

interface Prepared {
  route: Route;
  kinds: ReturnType<typeof kindsOf>;
}

function kindsIn(route: Route): Prepared['kinds'] {
  return route.query ? kindsOf(route.query) : {};
}

function specificity(path: string): string {
  return path.replaceAll(/\{\w+\}/g, '\u{10ffff}');
}

/**
 * Paths of tus. A client behind a proxy that passes no PATCH sends it as POST with this header (core protocol,
 * "X-HTTP-Method-Override").
 */
function overrideMethod(methods: ReadonlyMap<Method, Prepared>, request: Request, response: Response): void {
  const headers = [...methods.values()].find(({ route }) => route.always)?.route.always;
  if (!headers) return;
  response.set(headers);
  const asked = request.headers['x-http-method-override'];
  if (request.method === 'POST' && typeof asked === 'string') request.method = asked.toUpperCase();
}

/** HEAD is what GET is, without the body, unless a route says otherwise. */
function chosen(methods: ReadonlyMap<Method, Prepared>, request: Request): Prepared | undefined {
  const method = request.method.toLowerCase() as Method;
  return methods.get(method) ?? (method === 'head' ? methods.get('get') : undefined);
}

function refuseMethod(methods: ReadonlyMap<Method, Prepared>, request: Request, response: Response): void {
  const before = (response.locals['methodsBefore'] ?? []) as readonly Method[];
  const names = [...methods.keys(), ...before].map((method) => method.toUpperCase());
  if (names.includes('GET') && !names.includes('HEAD')) names.push('HEAD');
  response.set('Allow', names.join(', '));
  for (const { route } of methods.values())
    if (request.method === 'OPTIONS' && route.options) response.set(route.options);
  if (request.method === 'OPTIONS') return void response.status(204).end();
  throw new DomainError(
    'REQUEST_METHOD_NOT_ALLOWED',
    `${request.method} is not allowed here; allowed are ${names.join(', ')}`,
  );
}

async function run(
  { route, kinds }: Prepared,
  request: Request,
  response: Response,
  services: Services,
  admission: Admission,
): Promise<Answer> {
  const principal = await admit(route, request, response, admission);
  if (principal !== ANYONE) {
    admission.limits.principal(principal);
    await admission.tenants?.take(principal.tenantId);
  }
  const code = route.validationCode ?? 'REQUEST_VALIDATION';
  const params = parseParams(route, request);
  const query = parseQuery(request.originalUrl, route.query, kinds, code);
  const json = await readBody(route, request, code);
  const body = parseBody(route, json, code);
  const keyed = takesKey(route) ? keyedRequest(route, request, params, json) : undefined;
  let kept = keyed === undefined;
  const { audit } = route;
  const acting = audit ? { as: audit, principal, request, response, params, body, now: services.now } : undefined;
  const inTenant: Call['inTenant'] = (work) => asTenant(services.pool, principal.tenantId, work);
  const perhapsRecorded = <T>(tx: Tx, work: () => Promise<T>): Promise<T> =>
    acting === undefined || acting.as.byHandler ? work() : recorded(tx, acting, work);
  // A POST changes something in `answerOnce` only, and reads before it; the others have one transaction.
  const changing = <T>(work: (tx: Tx) => Promise<T>): ((tx: Tx) => Promise<T>) =>
    route.method === 'post' ? work : (tx) => perhapsRecorded(tx, () => work(tx));
  const answering = (work: (tx: Tx) => Promise<Answer>) => {
    kept = true;
    return (tx: Tx): Promise<Answer> => {
      const act = (): Promise<Answer> => perhapsRecorded(tx, () => work(tx));
      return keyed ? answeredOnce(tx, principal.tenantId, keyed, request.path, services.now(), act) : act();
    };
  };
  const call: Call = {
    principal,
    params,
    query,
    body,
    request,
    response,
    inTenant: (work) => inTenant(changing(work)),
    asService: (work) => asService(services.pool, changing(work)),
    answerOnce: (work) => inTenant(answering(work)),
    answerOnceAsService: (work) => asService(services.pool, answering(work)),
    recordAct(tx, before, after, id) {
      return recordAct(tx, defined(acting, `${route.operationId} is in the audit`), before, after, id);
    },
  };
  const given = await route.handle(call);
  if (!kept) throw new Error(`${route.operationId} has no answer that could be kept for its Idempotency-Key`);
  if ('handled' in given && route.permission !== null)
    endWithToken(request, response, () => admit(route, request, response, admission), services.log);
  return given;
}

async function admit(
  route: Route,
  request: Request,
  response: Response,
  { identify, tenants }: Admission,
): Promise<Principal> {
  if (route.permission === null) return (response.locals['principal'] = ANYONE);
  const principal = await identify(request);
  await tenants?.assertActive(principal.tenantId);
  response.locals['principal'] = principal;
  authorize(principal, typeof route.permission === 'string' ? [route.permission] : route.permission);
  return principal;
}

function parseParams(route: Route, request: Request): Record<string, string> {
  if (!route.params) return {};
  const parsed = route.params.safeParse(request.params);
  if (parsed.success) return parsed.data as Record<string, string>;
  const name = String(parsed.error.issues[0]?.path[0] ?? 'id');
  const value = String(request.params[name] ?? '').slice(0, 100);
  throw new DomainError(unknownCode(route, name), `${name} "${value}" does not exist`);
}

function unknownCode(route: Route, parameter: string): ErrorCode {
  const { unknownCode: code } = route;
  return (typeof code === 'object' ? code[parameter] : code) ?? 'REQUEST_NOT_FOUND';
}

/** @returns what was sent; undefined where there is nothing, or where the handler takes the stream itself. */
async function readBody(route: Route, request: Request, code: ErrorCode): Promise<unknown> {
  if (route.contentType === 'application/octet-stream')
    checkMediaType(request, Object.keys(route.accepts ?? { 'application/octet-stream': '' }));
  if (!route.body || route.readsBody || route.contentType === 'application/octet-stream') return undefined;
  return readJson(
    request,
    route.method === 'patch' ? ['application/json', 'application/merge-patch+json'] : ['application/json'],
    code,
  );
}

function parseBody(route: Route, json: unknown, code: ErrorCode): unknown {
  if (!route.body || route.readsBody) return undefined;
  const parsed = route.body.safeParse(json);
  if (!parsed.success) throw refuseFaults(code, faultsOf(parsed.error.issues, '', route.body));
  return parsed.data;
}
