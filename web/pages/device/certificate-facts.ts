/** What a page shows of a certificate. Times are RFC 3339. */
export interface CertificateFacts {
  readonly from: string;
  readonly until: string;
  /** The common name of who issued it; absent where it has none. */
  readonly issuer?: string;
}

/** One element of DER (X.690 §8): its tag, and its content as bytes. */
interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Where the next one begins. */
  readonly end: number;
}

const VERSION = 0xa0;
const UTC_TIME = 0x17;
/** 2.5.4.3, the attribute `commonName` (RFC 5280 §4.1.2.4). */
const COMMON_NAME = '55 04 03';

/** Reads when a certificate ends and who issued it (RFC 5280 §4.1). @returns undefined where it cannot be read */
export function factsOf(pem: string): CertificateFacts | undefined {
  const base64 = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(pem)?.[1];
  if (base64 === undefined) return undefined;
  try {
    const der = Uint8Array.from(atob(base64.replaceAll(/\s/g, '')), (letter) => letter.charCodeAt(0));
    const [body] = childrenOf(elementAt(der, 0).content);
    const members = childrenOf(body?.content ?? der).filter(({ tag }, index) => index > 0 || tag !== VERSION);
    const [, , issuer, validity] = members;
    const [from, until] = validity ? childrenOf(validity.content).map(timeOf) : [];
    if (issuer === undefined || from === undefined || until === undefined) return undefined;
    const name = commonNameOf(issuer.content);
    return { from, until, ...(name === undefined ? {} : { issuer: name }) };
  } catch (error) {
    // What is no base64, or is cut off: the page shows it without these facts.
    if (error instanceof DOMException || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** @throws RangeError where the bytes end before it does */
function elementAt(bytes: Uint8Array, at: number): Element {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new RangeError('an element is cut off');
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  let length = first < 0x80 ? first : 0;
  for (const byte of bytes.subarray(at + 2, at + 2 + lengthBytes)) length = length * 256 + byte;
  const begin = at + 2 + lengthBytes;
  if (begin + length > bytes.length) throw new RangeError('an element is cut off');
  return { tag, content: bytes.subarray(begin, begin + length), end: begin + length };
}

function childrenOf(bytes: Uint8Array): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; at = found.at(-1)?.end ?? bytes.length) found.push(elementAt(bytes, at));
  return found;
}

/** UTCTime has two digits of the year, from 1950 on; GeneralizedTime has four (RFC 5280 §4.1.2.5). */
function timeOf({ tag, content }: Element): string | undefined {
  const text = new TextDecoder().decode(content);
  const full = tag === UTC_TIME ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text;
  const [year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full)?.slice(1) ?? [];
  return second === undefined ? undefined : `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}

function commonNameOf(name: Uint8Array): string | undefined {
  const attributes = childrenOf(name).flatMap((set) => childrenOf(set.content));
  for (const attribute of attributes) {
    const [type, value] = childrenOf(attribute.content);
    const oid = [...(type?.content ?? [])].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    if (oid === COMMON_NAME && value) return new TextDecoder().decode(value.content);
  }
  return undefined;
}
