import { decode, encode } from 'cbor2';

/** What answers can be written as; the first where a client takes anything. */
export const ANSWER_TYPES = ['application/hal+json', 'application/json', 'application/cbor'] as const;
/** A media type of an answer. */
export type AnswerType = (typeof ANSWER_TYPES)[number];

/** Deeper than any body of this interface, and far from where a recursive walk gives up. */
const MAX_DEPTH = 16;

/**
 * The type that a client takes (RFC 9110 §12.5.1). Parameters such as `charset` are looked over: JSON is UTF-8.
 * @returns undefined where it takes none of them
 */
export function acceptable(accept: string | undefined): AnswerType | undefined {
  if (accept === undefined || accept.trim() === '') return ANSWER_TYPES[0];
  let best: { type: AnswerType; q: number } | undefined;
  const ranges = accept.split(',').map(rangeOf);
  for (const type of ANSWER_TYPES) {
    const matching = ranges.filter(({ range }) => matches(range, type)).sort((a, b) => specificity(b) - specificity(a));
    const q = matching[0]?.q ?? 0;
    if (q > (best?.q ?? 0)) best = { type, q };
  }
  return best?.type;
}

interface Range {
  readonly range: string;
  readonly q: number;
}

function rangeOf(text: string): Range {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith('q='));
  return { range, q: q === undefined ? 1 : Number(q.slice(2)) || 0 };
}

function matches(range: string, type: AnswerType): boolean {
  return range === '*/*' || range === type || range === 'application/*';
}

function specificity({ range }: Range): number {
  return range === '*/*' ? 0 : range.endsWith('/*') ? 1 : 2;
}

/** What a body is written as; undefined = a type that is not taken. None said is JSON. */
export function bodyType(contentType: string | undefined): 'json' | 'cbor' | undefined {
  switch ((contentType ?? 'application/json').split(';')[0]?.trim().toLowerCase()) {
    case 'application/json':
      return 'json';
    case 'application/cbor':
      return 'cbor';
    default:
      return undefined;
  }
}

/** @throws whatever the decoder says of bytes that are no CBOR */
export function readCbor(bytes: Uint8Array): unknown {
  return decode(bytes, { maxDepth: MAX_DEPTH });
}

/** The bytes of an answer. */
export function encodeAnswer(body: unknown, type: AnswerType): Uint8Array {
  return type === 'application/cbor' ? encode(body) : new TextEncoder().encode(JSON.stringify(body));
}
