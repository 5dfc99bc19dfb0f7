/** Both ends count from 0 and are included. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/**
 * What a `Range` asks for: all of it, these parts of it in this order, or none that there is. RFC 9110 §14.2 leaves it
 * to the route what it makes of the last two: whether they are ignored, or refused.
 */
export type Serving =
  | { readonly how: 'whole' }
  | { readonly how: 'parts'; readonly parts: readonly Part[] }
  | { readonly how: 'unsatisfiable' }
  | { readonly how: 'malformed' }
  | { readonly how: 'overlapping' };

/** More is answered with the whole: each part costs a read, and clients of delta updates ask for fewer at a time. */
const MOST_PARTS = 256;
/** SWUpdate's delta handler sends up to 32 kB, with at most 150 ranges; 256 of the longest have 7,936 characters. */
const MOST_CHARACTERS = 12_000;
const WHOLE: Serving = { how: 'whole' };

/**
 * What a `Range` asks for (RFC 9110 §14). Several are served where they are sorted, do not overlap and are 256 at most;
 * parts that begin behind the end are left out. In another order, or more, they get the whole.
 * @param size of the whole, in bytes
 */
export function servingOf(range: string | undefined, size: number): Serving {
  const [, unit, list] = /^([^=]*)=(.*)$/.exec(range?.trim() ?? '') ?? [];
  if (range === undefined || (unit !== undefined && unit.trim().toLowerCase() !== 'bytes')) return WHOLE;
  if (list === undefined) return { how: 'malformed' };
  if (list.length > MOST_CHARACTERS) return WHOLE;
  const asked = list.split(',').map((one) => partOf(one.trim(), size));
  if (asked.includes('malformed')) return { how: 'malformed' };
  const parts = asked.filter((one): one is Part => typeof one === 'object');
  if (parts.length === 0) return { how: 'unsatisfiable' };
  if (doOverlap(parts)) return { how: 'overlapping' };
  return asked.length <= MOST_PARTS && isSorted(parts) ? { how: 'parts', parts } : WHOLE;
}

function isSorted(parts: readonly Part[]): boolean {
  return parts.every(({ start }, at) => at === 0 || start > (parts[at - 1]?.end ?? 0));
}

function doOverlap(parts: readonly Part[]): boolean {
  return !isSorted([...parts].sort((one, other) => one.start - other.start));
}

function partOf(text: string, size: number): Part | 'malformed' | 'behind' {
  const [, from, to] = /^(\d{0,15})-(\d{0,15})$/.exec(text) ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return 'malformed';
  if (from === '') {
    const count = Number(to);
    return count === 0 || size === 0 ? 'behind' : { start: Math.max(0, size - count), end: size - 1 };
  }
  const [start, end] = [Number(from), to === '' ? Infinity : Number(to)];
  if (end < start) return 'malformed';
  return start >= size ? 'behind' : { start, end: Math.min(end, size - 1) };
}

/** The frame of a `multipart/byteranges` (RFC 9110 §14.6): what stands before each part, and behind the last. */
export interface Frame {
  readonly heads: readonly Uint8Array[];
  readonly tail: Uint8Array;
  /** Of the whole body, in bytes. */
  readonly length: number;
}

/**
 * As nginx frames it, byte for byte but for the boundary: parsers of delta clients were written against that.
 * @param boundary lower-case hex digits
 */
export function frameOf(parts: readonly Part[], size: number, contentType: string, boundary: string): Frame {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const heads = parts.map(({ start, end }) =>
    bytes(`\r\n--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: bytes ${start}-${end}/${size}\r\n\r\n`),
  );
  const tail = bytes(`\r\n--${boundary}--\r\n`);
  const framing = heads.reduce((sum, head) => sum + head.length, tail.length);
  const content = parts.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  return { heads, tail, length: framing + content };
}
