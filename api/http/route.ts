import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import type { z, ZodObject, ZodType } from 'zod';
import type { DeviceAuthority } from '../../adapters/authority/port.js';
import type { BlobStore, OldHashMaker } from '../../adapters/blobs/port.js';
import type { Action, Shown } from '../../domain/audit/actions.js';
import type { DomainError, ErrorCode } from '../../domain/errors.js';
import type { Permission, Role } from '../../domain/permissions.js';
import type { MODES } from '../../protocol/http/sign-in.js';
import type { Page, PageRequest } from '../../store/db/page.js';
import type { Pool, Tx } from '../../store/db/pool.js';
import type { Simulations } from '../simulation/simulations.js';

/**
 * One declaration of an operation, from which the express handler, the permission check, the parsing and the OpenAPI
 * document are made (api/mount.ts, api/openapi.ts): what is documented is what runs.
 */
export interface Route {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete' | 'head';
  /** As OpenAPI writes it: `/v1/devices/{id}`. */
  path: string;
  operationId: string;
  summary: string;
  description?: string;
  tag: string;
  /** What the token must hold, all of them; [] = any token; null = no token is asked for. */
  permission: Permission | readonly Permission[] | null;
  /** Names of the security schemes of the document, one of which is asked for; `bearer` where none is named. */
  security?: readonly string[];
  /**
   * Path parameters. One that does not fit is answered like an unknown resource (`unknownCode`): ids cannot be probed
   * by their shape.
   */
  params?: ZodObject;
  /**
   * Numbers and booleans stand in it as such (`z.int()`, `z.boolean()`): the text is turned before it is parsed.
   * Unknown and repeated names are 400.
   */
  query?: ZodObject;
  /** Headers of every answer, refusals included. */
  always?: Readonly<Record<string, string>>;
  /** Headers of what OPTIONS is answered at its path. */
  options?: Readonly<Record<string, string>>;
  /** Headers that change the answer, for the document; the handler reads them itself. */
  requestHeaders?: Record<string, { description: string; example: string }>;
  /** Optional (`.optional()`) where an empty body is fine. */
  body?: ZodType;
  /**
   * Default `application/json` (PATCH takes `application/merge-patch+json` too). `application/octet-stream`: the stream
   * stays unread, the handler takes `call.request`.
   */
  contentType?: 'application/json' | 'application/octet-stream';
  /** The handler reads the body itself, byte by byte; its schema is for the document. */
  readsBody?: true;
  /**
   * Of a stream: the media types that are taken, each with an example, where they are not `application/octet-stream`
   * alone.
   */
  accepts?: Readonly<Record<string, string>>;
  /** Code of a request that does not fit the contract; REQUEST_VALIDATION where none is named. */
  validationCode?: ErrorCode;
  /**
   * Code of a path parameter that names nothing; by parameter where they differ. REQUEST_NOT_FOUND where none is named.
   */
  unknownCode?: ErrorCode | Record<string, ErrorCode>;
  /**
   * What it answers when it works, and each refusal of its own by status. 400, 401, 403, 413, 415, 500, 503 and so on
   * are added where they can happen.
   */
  answers: Record<number, AnswerDoc>;
  /** Its entry in the audit; null = it changes nothing that stays. Every route that is no GET or HEAD says which. */
  audit?: AuditedAs | null;
  handle: (call: Call) => Promise<Answer>;
}

/** How a route that changes something stands in the audit (docs/audit.md). */
export interface AuditedAs {
  readonly action: Action;
  /** The path parameter that names what is changed; absent = what the answer's `data.id` names. */
  readonly id?: string;
  /** The handler writes the entry itself, by `call.recordAct`: the change is not the transaction of every route. */
  readonly byHandler?: true;
}

/** One answer of an operation, for OpenAPI. */
export interface AnswerDoc {
  description: string;
  /** Of the whole body; errors need none. */
  schema?: ZodType;
  /** Of an error that has not the envelope of this service, or no body. */
  bare?: true;
  /** Default `application/json`. */
  contentType?: string;
  headers?: Record<string, string>;
  example?: unknown;
  /** Where `Accept: text/event-stream` gets a stream instead: an example of one. */
  stream?: string;
}

/** Who asks. A route without a permission is called with ANYONE. */
export interface Principal {
  tenantId: string;
  /** What stands in `createdBy`, in votes and in the history: `key:<name>`, `user:<sub>`. */
  id: string;
  permissions: readonly Permission[];
  kind: 'key' | 'token' | 'device';
  /** The key's id, or the token's `sub`. */
  subject: string;
  /** `jti` of a token that has one. */
  tokenId?: string;
  name: string;
  roles: readonly Role[];
  /** Epoch milliseconds; absent where it has no end. */
  expiresAt?: number;
}

/** A request whose parameters, query and body have passed the schemas of its route. */
export interface Call<Params = Record<string, string>, Query = Record<string, unknown>, Body = unknown> {
  principal: Principal;
  params: Params;
  query: Query;
  body: Body;
  request: Request;
  response: Response;
  /**
   * One transaction as this tenant, behind row-level security. May run `work` again after a deadlock: no side effects
   * in it.
   */
  inTenant: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  /**
   * The same, for the transaction that has the effect of a POST: its answer is made inside, because it is kept with the
   * effect where the request has an `Idempotency-Key`. A repetition gets it again, and `work` is not called.
   */
  answerOnce: (work: (tx: Tx) => Promise<Answer>) => Promise<Answer>;
  /** Writes the entry of a route that is `audit.byHandler`, in the transaction that makes the change. */
  recordAct: (tx: Tx, before: Shown | undefined, after: Shown, id?: string) => Promise<void>;
  /** The same as a service, which sees all tenants: for what the operator of the installation does. */
  answerOnceAsService: (work: (tx: Tx) => Promise<Answer>) => Promise<Answer>;
  /** `inTenant` as a service, for the same. */
  asService: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
}

/**
 * `handled`: the handler wrote the response itself. `repeated`: what a repetition with the same Idempotency-Key is
 * told, where the answer holds a secret that is shown once and must not be kept.
 */
export type Answer =
  { status: number; body?: unknown; headers?: Record<string, string>; repeated?: DomainError } | { handled: true };

/** What an upload may take; each absent = no limit. */
export interface UploadLimits {
  /** Bytes of one blob. */
  readonly maxBytes?: number | undefined;
  /** Bytes that stay free where the store writes: PostgreSQL may write there, too, and stops where it cannot. */
  readonly minFreeBytes?: number | undefined;
  /** How long an upload that resumes may take, from its creation on; milliseconds, absent = 24 hours. */
  readonly lifetimeMs?: number | undefined;
}

/** What routes are made with: `function deviceRoutes(services: Services): Route[]`. */
export interface Services {
  pool: Pool;
  blobs: BlobStore;
  /** Base of links that are given away, without a slash at its end. */
  publicUrl: string;
  /** A firmware without a blob becomes invalid after this time. */
  draftLifetimeMs: number;
  /**
   * Tells the sender that the outbox has marks; call it after the commit. Never throws: a slow poll stands behind it.
   */
  notifyOutbox: () => void;
  /** Where the Temporal UI shows a process; absent where no UI is known. */
  workflowUrl?: (workflowId: string) => string;
  /** Tells the runner of jobs that there may be one; call it after the commit. A slow poll stands behind it. */
  wakeJobs: () => void;
  /** Issues certificates of devices. */
  authority: DeviceAuthority;
  /** Where devices reach the broker, as they are told when they enrol; absent = not told. */
  mqttUrl?: string;
  /** Epoch milliseconds. */
  now: () => number;
  log: Logger;
  simulations: Simulations;
  /** Absent = the first device of hawkBit that asks makes SHA-1 and MD5 (api/devices/ddi/offers.ts). */
  oldHashes?: OldHashMaker;
  /** Absent = as many bytes as the store takes. */
  uploads?: UploadLimits;
  /** What clients need to know to sign in by the identity provider; absent where there is none. */
  signIn?: SignIn;
  /** How this service was started, for people; absent = as in production. */
  mode?: (typeof MODES)[number];
  /** Base of the Temporal UI, without a slash at its end; absent where no UI is known. */
  temporalUiUrl?: string;
  /** What makes the second wall between tenants soft, as a sentence; absent = it is not asked. */
  wall?: () => Promise<string | undefined>;
  /** Whether webhooks may lead to loopback, link-local and private addresses; absent = no. */
  webhooksAllowPrivate?: boolean;
}

/** An identity provider, as `GET /v1/auth/config` shows it (docs/contracts/operators.md, "API keys"). */
export interface SignIn {
  issuer: string;
  clientId: string;
  audience: string;
  scopes: readonly string[];
}

type Output<S, Default> = S extends ZodType ? z.output<S> : Default;

interface RouteOf<P, Q, B> extends Omit<Route, 'params' | 'query' | 'body' | 'handle'> {
  params?: P;
  query?: Q;
  body?: B;
  handle: (
    call: Call<Output<P, Record<string, never>>, Output<Q, Record<string, never>>, Output<B, undefined>>,
  ) => Promise<Answer>;
}

/** Declares a route; the handler's params, query and body have the types of its schemas. */
export function route<
  P extends ZodObject | undefined = undefined,
  Q extends ZodObject | undefined = undefined,
  B extends ZodType | undefined = undefined,
>(declared: RouteOf<P, Q, B>): Route {
  return declared as unknown as Route;
}

/** The envelope of one resource: `{"data": …}` (docs/contracts/rest-api.md, "Conventions"). */
export function answer(status: number, data: unknown, headers?: Record<string, string>): Answer {
  return { status, body: { data }, ...(headers ? { headers } : {}) };
}

/** What a DELETE answers. */
export const NO_CONTENT: Answer = { status: 204 };

/** A list in the contract's envelope: `meta.nextCursor` is there while more follows. */
export function answerPage<T>(
  page: Page<T>,
  request: PageRequest,
  print: (item: T) => unknown = (item) => item,
): Answer {
  return { status: 200, body: { data: page.items.map(print), meta: metaOf(page, request) } };
}

/** Where in a list its page stands, and how long the list is. `itemsTotalExact` is there where it is false. */
export function metaOf(
  { nextCursor, total }: Pick<Page<unknown>, 'nextCursor' | 'total'>,
  { page, pageSize }: Pick<PageRequest, 'page' | 'pageSize'>,
): Record<string, unknown> {
  return {
    page,
    pageSize,
    itemsTotal: total.items,
    pagesTotal: Math.ceil(total.items / pageSize),
    ...(total.exact ? {} : { itemsTotalExact: false }),
    ...(nextCursor === undefined ? {} : { nextCursor }),
  };
}
