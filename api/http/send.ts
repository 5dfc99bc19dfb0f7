import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import type { DomainError } from '../../domain/errors.js';
import { TokenRefused } from './token-refused.js';
import { toDomainError, toProblem } from './errors.js';
import type { Answer } from './route.js';

/** Long enough that a client which obeys it does not meet the same restart twice. */
const RETRY_AFTER_SECONDS = '2';

/** Errors are `application/problem+json` where the client asks for that, else `application/json`. */
export function sendAnswer(response: Response, answer: Answer): void {
  if ('handled' in answer) return;
  response.status(answer.status);
  if (answer.headers) response.set(answer.headers);
  if (answer.body === undefined) response.end();
  else
    sendJson(
      response,
      answer.body,
      answer.status >= 400 && wantsProblem(response.req) ? 'application/problem+json' : 'application/json',
    );
}

/** Answers of the API are about one tenant and about now: no cache in between may keep them. */
export function sendJson(response: Response, body: unknown, type: string): void {
  if (!response.hasHeader('Cache-Control')) response.set('Cache-Control', 'no-store');
  response.type(type).send(JSON.stringify(body));
}

/** The last of express's handlers: every refusal and every fault leaves through it. */
export function errorHandler(log: Logger) {
  return (thrown: unknown, request: Request, response: Response, next: NextFunction): void => {
    const error = toDomainError(thrown);
    logRefusal(log, error, request);
    if (error.status >= 500) log.error({ err: thrown, method: request.method, path: request.path }, error.message);
    // Half an answer cannot be taken back: express closes the connection, and the client sees that it broke.
    if (response.headersSent) return next(thrown);
    response.status(error.status);
    if (error.status === 401) response.set('WWW-Authenticate', challenge(error, request));
    if (error.status === 403 && error.code === 'AUTH_FORBIDDEN')
      response.set(
        'WWW-Authenticate',
        `Bearer realm="slipway", error="insufficient_scope", scope="${String(error.facts['permission'])}"`,
      );
    if (error.status === 503 || error.status === 429) response.set('Retry-After', retryAfter(error));
    sendJson(
      response,
      toProblem(error, request.path),
      wantsProblem(request) ? 'application/problem+json' : 'application/json',
    );
  };
}

function challenge(error: DomainError, request: Request): string {
  // A client of EST sends its token by Basic once it is asked to (RFC 7030 §3.2.3).
  if (error.code === 'ENROLMENT_TOKEN_INVALID' && request.path.startsWith('/.well-known/est/'))
    return 'Basic realm="slipway"';
  return error.code === 'AUTH_MISSING_TOKEN'
    ? 'Bearer realm="slipway"'
    : 'Bearer realm="slipway", error="invalid_token"';
}

function retryAfter({ facts }: DomainError): string {
  const { retryAfter: seconds } = facts;
  return typeof seconds === 'number' ? String(seconds) : RETRY_AFTER_SECONDS;
}

/** Who may not come in, and why: the answer does not say everything, and an operator is asked about it. */
function logRefusal(log: Logger, error: DomainError, request: Request): void {
  if (!error.code.startsWith('AUTH_') || error.code === 'AUTH_MISSING_TOKEN') return;
  const detail = error instanceof TokenRefused ? { token: error.said, reason: error.reason } : error.facts;
  log.info({ code: error.code, method: request.method, path: request.path, ...detail }, `refused: ${error.message}`);
}

/** Clients of the original expect application/json; who asks for RFC 9457 by name gets its type. */
function wantsProblem(request: Request): boolean {
  return /application\/problem\+json/i.test(request.headers.accept ?? '');
}
