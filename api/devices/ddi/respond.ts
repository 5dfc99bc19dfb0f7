import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import type { z, ZodType } from 'zod';
import { DdiRefusal, printError } from '../../../protocol/ddi/errors.js';
import { acceptable, bodyType, encodeAnswer, readCbor, type AnswerType } from '../../../protocol/ddi/media.js';
import { isUnchanged } from '../../../protocol/http/ranges.js';
import { findUnkeepable, readBytes, readJson } from '../../http/body.js';
import { toDomainError } from '../../http/errors.js';
import type { Answer, Call, Services } from '../../http/route.js';

const HANDLED: Answer = { handled: true };

/** What a request is answered with: a body, or none. */
export interface DdiAnswer {
  /** Absent = no body. */
  readonly body?: unknown;
  /** Absent = 200: some clients take any other status for a failure. */
  readonly status?: number;
}

/**
 * A handler of this interface: it writes each answer and each refusal itself, as hawkBit does
 * (docs/contracts/hawkbit-ddi.md, "Answers").
 */
export function answering(
  { log }: Pick<Services, 'log'>,
  handle: (call: Call) => Promise<DdiAnswer | 'handled'>,
): (call: Call) => Promise<Answer> {
  return async (call) => {
    const { request, response } = call;
    try {
      const type = acceptable(request.headers.accept);
      if (type === undefined && !isFile(request)) throw new DdiRefusal(406);
      const answer = await handle(call);
      if (answer !== 'handled') send(request, response, answer, type ?? 'application/json');
    } catch (error) {
      const refusal = toRefusal(error);
      if (refusal.status >= 500) log.error({ err: error, path: request.path }, refusal.message);
      if (response.headersSent) throw error;
      request.resume(); // what of a body is still under way is thrown away
      response.status(refusal.status);
      if (refusal.status === 503 || refusal.status === 429) response.set('Retry-After', '2');
      const body = printError(refusal);
      if (body === undefined) response.end();
      else response.type('application/json').end(JSON.stringify(body));
    }
    return HANDLED;
  };
}

/** A file is bytes, whatever a client says that it takes. */
function isFile(request: Request): boolean {
  return /\/artifacts\/[^/]+$/.test(request.path);
}

function send(request: Request, response: Response, { body, status = 200 }: DdiAnswer, type: AnswerType): void {
  response.status(status);
  if (body === undefined) return void response.end();
  const bytes = encodeAnswer(body, type);
  // Shallow, as Spring makes it: it spares bytes, not work.
  const etag = `"0${createHash('md5').update(bytes).digest('hex')}"`;
  response.set({ ETag: etag, 'Cache-Control': 'no-cache, no-store, max-age=0, must-revalidate' });
  if (request.method === 'GET' && isUnchanged(request.headers['if-none-match'], etag))
    return void response.status(304).end();
  // Express would add a charset, which hawkBit's answers do not have.
  response.setHeader('Content-Type', type);
  response.set('Content-Length', String(bytes.length)).end(bytes);
}

/** By name: `instanceof` fails across the realms of a test runner. */
function isRefusal(error: unknown): error is DdiRefusal {
  return error instanceof Error && error.name === 'DdiRefusal';
}

function toRefusal(error: unknown): DdiRefusal {
  if (isRefusal(error)) return error;
  const known = toDomainError(error);
  return new DdiRefusal(known.status, known.detail);
}

/**
 * The body of a request, JSON or CBOR. It is read before a transaction begins, and judged once it is known who asks.
 * @returns gives the body, or throws DdiRefusal: 400 with what is wrong, 415
 */
export async function readBody<S extends ZodType>(request: Request, schema: S): Promise<() => z.output<S>> {
  try {
    const value = await parsedBody(request, schema);
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

async function parsedBody<S extends ZodType>(request: Request, schema: S): Promise<z.output<S>> {
  const type = bodyType(request.headers['content-type']);
  if (type === undefined)
    throw new DdiRefusal(415, 'send application/json or application/cbor', 'rest.contentTypeNotSupported');
  const parsed = schema.safeParse(type === 'json' ? await jsonOf(request) : await cborOf(request));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DdiRefusal(400, `/${issue?.path.join('/') ?? ''} ${issue?.message ?? 'does not fit'}`);
}

async function jsonOf(request: Request): Promise<unknown> {
  try {
    if (request.headers['content-type'] === undefined) request.headers['content-type'] = 'application/json';
    return await readJson(request, ['application/json'], 'REQUEST_VALIDATION');
  } catch (error) {
    const { code, detail } = toDomainError(error);
    throw code === 'REQUEST_VALIDATION' ? new DdiRefusal(400, detail) : error;
  }
}

async function cborOf(request: Request): Promise<unknown> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return undefined;
  let value: unknown;
  try {
    value = readCbor(bytes);
  } catch (error) {
    throw Object.assign(new DdiRefusal(400, 'the body is not CBOR'), { cause: error });
  }
  const [fault] = findUnkeepable(value);
  if (fault) throw new DdiRefusal(400, `${fault.pointer} ${fault.detail}`);
  return value;
}
