import type { NextFunction, Request, Response } from 'express';
import { withinRequest } from '../../runtime/request-context.js';
import { newId } from '../../store/db/ids.js';

/** The header by which a request is found in the logs and in the audit, in and out. */
export const REQUEST_ID = 'X-Request-Id';
/** What a log line, a header and an audit entry can carry; another one is replaced, a request is not refused for it. */
const USABLE = /^[\x21-\x7e]{1,128}$/;

/** Gives each request its id: the client's where it is usable, else a new one. It is in the answer and in each line. */
export function requestId(request: Request, response: Response, next: NextFunction): void {
  const given = request.headers['x-request-id'];
  const id = typeof given === 'string' && USABLE.test(given) ? given : newId();
  response.locals['requestId'] = id;
  response.set(REQUEST_ID, id);
  withinRequest({ requestId: id }, next);
}

/** The id that `requestId` gave. */
export function requestIdOf(response: Response): string {
  return String(response.locals['requestId']);
}
