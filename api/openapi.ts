import { z, type ZodType } from 'zod';
import { ERRORS, type ErrorCode } from '../domain/errors.js';
import { PERMISSIONS, type Permission } from '../domain/permissions.js';
import { exampleOf } from '../protocol/http/envelope.js';
import { KEY_LENGTH, KEY_PATTERN, takesKey } from './http/idempotency.js';
import type { AnswerDoc, Route } from './http/route.js';
import { REPLAYED_HEADER, shareAnswers, shareParameters } from './openapi-answers.js';

type Json = Record<string, unknown>;

/** What a document says of all its operations. */
export interface Cover {
  readonly title: string;
  readonly description: string;
  /** By the names that routes give in `security`; `bearer` is asked for where a route gives none. */
  readonly securitySchemes: Json;
}

/** The document of the operators' API. */
const OPERATORS: Cover = {
  title: 'Slipway',
  description:
    'Durable firmware rollouts for fleets of devices. Lists are paged by page and pageSize, or by cursor. Errors are `{errorCode, errorMessage}` together with the members of RFC 9457.',
  securitySchemes: {
    bearer: {
      type: 'http',
      scheme: 'bearer',
      description: `An API key, or a token (JWT) of the operators' issuer. Permissions: ${PERMISSIONS.join(', ')}.`,
    },
  },
};

/**
 * The OpenAPI 3.1 document of the routes that run: schemas are printed from the zod objects that parse (zod's own JSON
 * Schema 2020-12).
 */
export function openApiDocument(
  routes: readonly Route[],
  publicUrl: string,
  version: string,
  { title, description, securitySchemes }: Cover = OPERATORS,
): Json {
  const schemas: Json = { Problem: PROBLEM, IdempotencyKey: IDEMPOTENCY_KEY_SCHEMA };
  const paths: Record<string, Json> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operation(route, schemas);
  const sharedAnswers = shareAnswers(paths);
  const sharedParameters = shareParameters(paths);
  return {
    openapi: '3.1.0',
    info: {
      title,
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description,
    },
    servers: [{ url: publicUrl }],
    ...('bearer' in securitySchemes ? { security: [{ bearer: [] }] } : {}),
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas,
      responses: sharedAnswers,
      headers: {
        IdempotentReplayed: { description: REPLAYED[REPLAYED_HEADER], schema: { type: 'string' } },
      },
      parameters: { IdempotencyKey: IDEMPOTENCY_KEY, ...sharedParameters },
      securitySchemes,
    },
  };
}

function operation(route: Route, schemas: Json): Json {
  const wanted = permissionsOf(route);
  const asked = [
    ...parameters(route.params?.shape, 'path', schemas),
    ...parameters(route.query?.shape, 'query', schemas),
    ...headerParameters(route),
  ];
  return {
    operationId: route.operationId,
    summary: route.summary,
    description: [
      route.description,
      wanted.length > 0 ? `Permission: ${wanted.map((name) => `\`${name}\``).join(' and ')}.` : undefined,
    ]
      .filter(Boolean)
      .join('\n\n'),
    tags: [route.tag],
    ...securityOf(route),
    ...(asked.length > 0 && { parameters: asked }),
    ...requestBody(route, schemas),
    responses: responses(route, schemas),
  };
}

/** What differs from the document's own: a bearer token. Said of each operation it would be 3 kB of it. */
function securityOf({ permission, security }: Route): Json {
  if (permission === null && security === undefined) return { security: [] };
  return security === undefined ? {} : { security: security.map((name) => ({ [name]: [] })) };
}

function permissionsOf(route: Route): readonly Permission[] {
  if (route.permission === null) return [];
  return typeof route.permission === 'string' ? [route.permission] : route.permission;
}

function parameters(shape: Record<string, unknown> | undefined, place: 'path' | 'query', schemas: Json): Json[] {
  return Object.entries(shape ?? {}).map(([name, member]) => {
    const { description, example, ...schema } = jsonSchema(member as ZodType, 'input', schemas);
    const required = place === 'path' || !(member as ZodType).safeParse(undefined).success;
    return {
      name,
      in: place,
      ...(required ? { required } : {}),
      schema,
      ...(description === undefined ? {} : { description }),
      ...(example === undefined ? {} : { example }),
    };
  });
}

function headerParameters(route: Route): Json[] {
  const own = Object.entries(route.requestHeaders ?? {}).map(([name, { description, example }]) => ({
    name,
    in: 'header',
    schema: { type: 'string' },
    description,
    example,
  }));
  return takesKey(route) ? [...own, { $ref: '#/components/parameters/IdempotencyKey' }] : own;
}

const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  schema: { $ref: '#/components/schemas/IdempotencyKey' },
};
const IDEMPOTENCY_KEY_SCHEMA: Json = {
  type: 'string',
  minLength: 1,
  maxLength: KEY_LENGTH,
  pattern: KEY_PATTERN,
  example: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  description:
    'For 24 hours the same key with the same path and body gets the first answer again, and nothing is done twice; with another path or body it is 422. What failed with 5xx may be repeated. Keys belong to the tenant.',
};
const REPLAYED = {
  [REPLAYED_HEADER]: 'true where this is the answer of an earlier request with the same Idempotency-Key',
};

function requestBody(route: Route, schemas: Json): Json {
  if (route.contentType === 'application/octet-stream') {
    return {
      requestBody: {
        required: true,
        content: Object.fromEntries(
          Object.entries(route.accepts ?? { 'application/octet-stream': undefined }).map(([type, example]) => [
            type,
            { schema: { type: 'string', format: 'binary' }, ...(example === undefined ? {} : { example }) },
          ]),
        ),
      },
    };
  }
  if (!route.body) return {};
  const content = media(route.body, 'input', schemas);
  const types = route.method === 'patch' ? ['application/merge-patch+json', 'application/json'] : ['application/json'];
  return {
    requestBody: {
      ...(route.body.safeParse(undefined).success ? {} : { required: true }),
      content: Object.fromEntries(types.map((type) => [type, content])),
    },
  };
}

function responses(route: Route, schemas: Json): Json {
  const all: Record<string, Json> = {};
  for (const code of commonErrors(route)) {
    const { status, title } = ERRORS[code];
    all[status] = problem(all[status] === undefined ? title : `${String(all[status]['description'])}; ${title}`, code);
  }
  all['5XX'] = problem(
    `${ERRORS.SERVICE_INTERNAL.title}; 503: ${ERRORS.SERVICE_UNAVAILABLE.title}`,
    'SERVICE_INTERNAL',
  );
  for (const [status, doc] of Object.entries(route.answers)) {
    const replayed = takesKey(route) ? { ...doc, headers: { ...doc.headers, ...REPLAYED } } : doc;
    all[status] =
      Number(status) < 400 || doc.schema || doc.bare
        ? success(replayed, schemas)
        : { ...problem(doc.description, codeOf(route, Number(status))), ...headers(doc) };
  }
  return all;
}

/** What any route may answer, by what it takes, beside 5XX: one range, because 500 and 503 apart are 6 kB more. */
function commonErrors(route: Route): ErrorCode[] {
  const unknown =
    typeof route.unknownCode === 'object'
      ? Object.values(route.unknownCode)
      : [route.unknownCode ?? 'REQUEST_NOT_FOUND'];
  const reads = route.body !== undefined;
  return [
    ...new Set<ErrorCode>([
      route.validationCode ?? 'REQUEST_VALIDATION',
      ...(route.permission === null ? [] : (['AUTH_MISSING_TOKEN', 'AUTH_FORBIDDEN'] as const)),
      ...(route.params ? unknown : []),
      ...(reads ? (['REQUEST_TIMEOUT', 'REQUEST_TOO_LARGE'] as const) : []),
      ...(reads || route.contentType === 'application/octet-stream'
        ? (['REQUEST_UNSUPPORTED_MEDIA_TYPE'] as const)
        : []),
      ...(takesKey(route) ? (['REQUEST_IDEMPOTENCY_CONFLICT'] as const) : []),
      ...(route.tag === 'Health' ? [] : (['REQUEST_RATE'] as const)),
      'REQUEST_HEADERS_TOO_LARGE',
    ]),
  ];
}

/** For the example of an error answer: the first code with this status that belongs to the route's service. */
function codeOf(route: Route, status: number): ErrorCode {
  const [service = ''] = (route.validationCode ?? 'REQUEST_VALIDATION').split('_');
  const codes = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => ERRORS[code].status === status);
  return codes.find((code) => code.startsWith(`${service}_`)) ?? codes[0] ?? 'SERVICE_INTERNAL';
}

function success(doc: AnswerDoc, schemas: Json): Json {
  const stream =
    doc.stream === undefined
      ? {}
      : { 'text/event-stream': { schema: { type: 'string', description: 'Server-Sent Events' }, example: doc.stream } };
  const content = doc.schema
    ? {
        content: {
          [doc.contentType ?? 'application/json']: media(doc.schema, 'output', schemas, doc.example),
          ...stream,
        },
      }
    : {};
  return { description: doc.description, ...headers(doc), ...content };
}

/** The example stands beside the schema, where every reader looks for it. */
function media(schema: ZodType, io: 'input' | 'output', schemas: Json, example: unknown = exampleOf(schema)): Json {
  const printed = jsonSchema(schema, io, schemas);
  delete printed['example'];
  return { schema: printed, ...(example === undefined ? {} : { example }) };
}

function headers(doc: AnswerDoc): Json {
  if (!doc.headers) return {};
  return {
    headers: Object.fromEntries(
      Object.entries(doc.headers).map(([name, description]) => [
        name,
        Object.hasOwn(REPLAYED, name)
          ? { $ref: '#/components/headers/IdempotentReplayed' }
          : { description, schema: { type: 'string' } },
      ]),
    ),
  };
}

/** The example is there to name the answer by its code, and is not printed: `shareAnswers` takes it away. */
function problem(description: string, errorCode: ErrorCode): Json {
  const schema = { $ref: '#/components/schemas/Problem' };
  const example = { errorCode };
  return { description, content: { 'application/json': { schema }, 'application/problem+json': { schema, example } } };
}

/** One schema in the document's own dialect; what carries an id becomes a component. */
function jsonSchema(schema: ZodType, io: 'input' | 'output', schemas: Json): Json {
  const { $defs = {}, ...inline } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: passedOver,
  }) as Json & {
    $defs?: Json;
  };
  delete inline['$schema'];
  for (const [name, definition] of Object.entries($defs)) schemas[name] ??= component(definition as Json);
  const id = (schema.meta() as { id?: string } | undefined)?.id;
  if (id === undefined) return moveRefs(inline);
  schemas[id] ??= component(inline);
  return { $ref: `#/components/schemas/${id}` };
}

/** A member whose wrong values are passed over takes any: what a device gets wrong there costs no report. */
function passedOver({
  zodSchema,
  jsonSchema: printed,
}: {
  readonly zodSchema: { readonly _zod: { readonly def: { readonly type: string } } };
  readonly jsonSchema: object;
}): void {
  if (zodSchema._zod.def.type !== 'catch') return;
  for (const name of Object.keys(printed)) Reflect.deleteProperty(printed, name);
}

/** Its example stands beside each body and answer that it is (`media`). */
function component(schema: Json): Json {
  return moveRefs({ ...schema, example: undefined });
}

/**
 * zod's `$defs` are the document's components; its bounds of safe integers say nothing to a reader, and neither does
 * the pattern of a UUID or a time beside its format, nor that names of members are text, nor that others are anything.
 */
function moveRefs<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (key, given: unknown) => {
      const inner = withNull(given);
      if (saysItsFormat(inner)) return { ...inner, pattern: undefined };
      if (key === 'propertyNames' && JSON.stringify(inner) === '{"type":"string"}') return undefined;
      if (key === 'additionalProperties' && JSON.stringify(inner) === '{}') return undefined;
      if (key === '$ref' && typeof inner === 'string') return inner.replace('#/$defs/', '#/components/schemas/');
      if (
        (key === 'maximum' && inner === Number.MAX_SAFE_INTEGER) ||
        (key === 'minimum' && inner === Number.MIN_SAFE_INTEGER)
      )
        return undefined;
      return inner;
    }),
  ) as T;
}

/** `anyOf` a type and null, in fewer words: `"type": ["string", "null"]`. An enum would have to name null itself. */
function withNull(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('anyOf' in value)) return value;
  const { anyOf, ...rest } = value as { anyOf: readonly Json[] };
  const [only, other] = anyOf;
  if (anyOf.length !== 2 || other?.['type'] !== 'null' || typeof only?.['type'] !== 'string') return value;
  return 'enum' in only || 'const' in only ? value : { ...only, ...rest, type: [only['type'], 'null'] };
}

function saysItsFormat(value: unknown): value is Json {
  if (typeof value !== 'object' || value === null || !('format' in value)) return false;
  return value.format === 'uuid' || value.format === 'date-time';
}

const PROBLEM: Json = {
  type: 'object',
  description:
    "The contract's envelope and the members of RFC 9457 in one object; facts of the error stand beside them.",
  required: ['errorCode', 'errorMessage', 'type', 'title', 'status', 'detail', 'instance'],
  properties: {
    errorCode: { type: 'string', enum: Object.keys(ERRORS) },
    errorMessage: { type: 'string' },
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'detail'],
        properties: {
          pointer: { type: 'string', description: 'RFC 6901; into the body, or below /query' },
          detail: { type: 'string' },
          position: { type: 'integer', description: 'Of a filter: the 0-based place where it does not parse' },
        },
      },
    },
  },
};
