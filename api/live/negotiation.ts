import type { Request } from 'express';
import { LAST_EVENT_ID, parseEventId } from '../../protocol/http/live-events.js';
import { DomainError, type ErrorCode } from '../../domain/errors.js';

export { LAST_EVENT_ID };

/** Whether a client asks for the stream. A HEAD is answered as a page is: there is nothing to listen to. */
export function wantsStream(request: Request): boolean {
  return (
    request.method !== 'HEAD' && request.accepts(['application/json', 'text/event-stream']) === 'text/event-stream'
  );
}

/**
 * Where a stream begins, and whether that is where the client left one. @throws DomainError where what was sent is no
 * place in it
 */
export function placeOf(
  request: Request,
  query: { after?: number | undefined; cursor?: string | undefined },
  code: ErrorCode,
): { after?: number; resumes: boolean } {
  if (query.cursor !== undefined)
    throw refuse(
      code,
      '/query/cursor',
      'is for pages; a stream begins after the number that Last-Event-ID or after names',
    );
  const sent = request.headers['last-event-id'];
  if (sent === undefined || sent === '')
    return { ...(query.after === undefined ? {} : { after: query.after }), resumes: false };
  const last = typeof sent === 'string' ? parseEventId(sent) : undefined;
  if (last === undefined)
    throw refuse(code, '/header/Last-Event-ID', 'is not an id of this stream; send the last one as it came');
  return { after: last, resumes: true };
}

/**
 * A fault at one place of the request. `pointer`: a JSON pointer, whose last part begins the sentence. Made, not
 * thrown.
 */
export function refuse(code: ErrorCode, pointer: string, detail: string): DomainError {
  return new DomainError(code, `${pointer.slice(pointer.lastIndexOf('/') + 1)} ${detail}`, {
    errors: [{ pointer, detail }],
  });
}

/** What narrows or turns pages of a history, and a stream cannot have. */
interface PageFilters {
  order?: string | undefined;
  by?: unknown;
  event?: unknown;
  deviceId?: unknown;
  rolloutId?: unknown;
  since?: unknown;
  until?: unknown;
}

/** A stream sends everything. @throws DomainError `code` where less, or another order, is asked for */
export function refuseFilters(query: PageFilters, code: ErrorCode): void {
  const { order, by, event, deviceId, rolloutId, since, until } = query;
  const filters = { by, event, deviceId, rolloutId, since, until, order: order === 'desc' ? order : undefined };
  for (const [name, value] of Object.entries(filters))
    if (value !== undefined)
      throw refuse(code, `/query/${name}`, 'is for pages; a stream sends everything, in the order of the history');
}
