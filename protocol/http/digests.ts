import type { Fault } from '../../domain/errors.js';

/** Those that can be computed while the bytes pass. */
export type DigestAlgorithm = 'sha-256' | 'sha-512' | 'md5';

/** A digest of the whole content that a client sent beside it. */
export interface SentDigest {
  header: string;
  algorithm: DigestAlgorithm;
  /** Lower-case hex. */
  hex: string;
}

const BYTES: Readonly<Record<DigestAlgorithm, number>> = { 'sha-256': 32, 'sha-512': 64, md5: 16 };
/** RFC 9530 §2 and §3: a dictionary of byte sequences. */
const BYTE_SEQUENCE = /^\s*([a-z0-9*_.-]+)\s*=\s*:([A-Za-z0-9+/=]*):\s*(?:;.*)?$/;
/** RFC 3230 §4.3.2: instances with the text behind an equals sign; base64 for the algorithms here. */
const INSTANCE = /^\s*([A-Za-z0-9-]+)\s*=\s*([A-Za-z0-9+/=]*)\s*$/;

/**
 * The digests in the headers of an upload: `Repr-Digest`, `Content-Digest`, `Digest` and `Content-MD5`. The content of
 * a request is its representation here, so that the first two say the same. Algorithms that are not known are ignored
 * (RFC 9530 §2); what cannot be read is a fault, because a check that is silently not made is none.
 * @param headers as node:http gives them
 */
export function sentDigests(headers: Readonly<Record<string, unknown>>): { digests: SentDigest[]; faults: Fault[] } {
  const digests: SentDigest[] = [];
  const faults: Fault[] = [];
  const take = (header: string, algorithm: string, base64: string): void => {
    if (!isKnown(algorithm)) return;
    const bytes = Buffer.from(base64, 'base64');
    // Node reads what is no base64 as far as it likes.
    const isWhole = bytes.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '');
    if (isWhole && bytes.length === BYTES[algorithm]) digests.push({ header, algorithm, hex: bytes.toString('hex') });
    else
      faults.push({
        pointer: `/header/${header}`,
        detail: `must hold ${BYTES[algorithm]} bytes of ${algorithm} in base64`,
      });
  };
  for (const [header, form, example] of [
    ['Repr-Digest', BYTE_SEQUENCE, 'sha-256=:<base64>:'],
    ['Content-Digest', BYTE_SEQUENCE, 'sha-256=:<base64>:'],
    ['Digest', INSTANCE, 'sha-256=<base64>'],
  ] as const) {
    const sent = headers[header.toLowerCase()];
    if (typeof sent !== 'string') continue;
    for (const member of sent.split(',')) {
      const [, algorithm, base64] = form.exec(member) ?? [];
      if (algorithm === undefined || base64 === undefined)
        faults.push({ pointer: `/header/${header}`, detail: `is not readable; send it as ${example}` });
      else take(header, algorithm.toLowerCase(), base64);
    }
  }
  const md5 = headers['content-md5'];
  if (typeof md5 === 'string') take('Content-MD5', 'md5', md5.trim());
  return { digests, faults };
}

function isKnown(algorithm: string): algorithm is DigestAlgorithm {
  return Object.hasOwn(BYTES, algorithm);
}
