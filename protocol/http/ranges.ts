import { servingOf, type Serving } from './multi-ranges.js';

/** What a GET with `Range` is answered with: all of it, parts of it, or a refusal (RFC 9110 §14). */
export type Serve = Extract<Serving, { how: 'whole' | 'parts' | 'unsatisfiable' }>;

/** The request's headers that decide it, as node:http gives them. */
export interface RangeHeaders {
  range?: string | undefined;
  'if-range'?: string | undefined;
}

/**
 * What is malformed, overlaps or has other units may be ignored (§14.2), and is: then all of it is served. `If-Range`
 * with another tag, or with a date, which we never sent, asks for all of it as well.
 */
export function whatToServe(headers: RangeHeaders, etag: string, size: number): Serve {
  const condition = headers['if-range'];
  if (condition !== undefined && condition.trim() !== etag) return { how: 'whole' };
  const serving = servingOf(headers.range, size);
  return serving.how === 'malformed' || serving.how === 'overlapping' ? { how: 'whole' } : serving;
}

/** `If-Match` (RFC 9110 §13.1.1): strong comparison, any of a list. True where the header is absent. */
export function isStillThis(ifMatch: string | undefined, etag: string): boolean {
  if (ifMatch === undefined || ifMatch.trim() === '*') return true;
  return ifMatch
    .split(',')
    .map((tag) => tag.trim())
    .includes(etag);
}

/** `If-None-Match` (RFC 9110 §13.1.2): weak comparison, any of a list. */
export function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
    .includes(etag);
}

/** `attachment` with the name as old and as new clients read it (RFC 6266, RFC 8187). */
export function attachment(fileName: string): string {
  const plain = fileName.replace(/[^\x20-\x7e]|["\\%/]/g, '_');
  const encoded = encodeURIComponent(fileName.replaceAll('/', '_')).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"${encoded === plain ? '' : `; filename*=UTF-8''${encoded}`}`;
}
