/** What a GET with `Range` is answered with: all of it, one part (both ends included), or a refusal (RFC 9110 §14). */
export type Serve = { how: 'whole' } | { how: 'part'; start: number; end: number } | { how: 'unsatisfiable' };

/** The request's headers that decide it, as node:http gives them. */
export interface RangeHeaders {
  range?: string | undefined;
  'if-range'?: string | undefined;
}

/**
 * One range is served. Several, other units and what is malformed may be ignored (§14.2), and are: then all of it is
 * served. `If-Range` with another tag, or with a date, which we never sent, asks for all of it as well.
 */
export function whatToServe(headers: RangeHeaders, etag: string, size: number): Serve {
  const condition = headers['if-range'];
  if (headers.range === undefined || (condition !== undefined && condition.trim() !== etag)) return { how: 'whole' };
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(headers.range);
  if (!match || (match[1] === '' && match[2] === '')) return { how: 'whole' };
  return match[1] === ''
    ? lastBytes(Number(match[2]), size)
    : fromTo(Number(match[1]), match[2] === '' ? Infinity : Number(match[2]), size);
}

function lastBytes(count: number, size: number): Serve {
  if (count === 0 || size === 0) return { how: 'unsatisfiable' };
  return { how: 'part', start: Math.max(0, size - count), end: size - 1 };
}

function fromTo(start: number, end: number, size: number): Serve {
  if (end < start) return { how: 'whole' };
  return start >= size ? { how: 'unsatisfiable' } : { how: 'part', start, end: Math.min(end, size - 1) };
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
