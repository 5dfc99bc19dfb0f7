import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * What a key looks like: `slp_<id: 8>_<secret: 43>_<crc: 6>` (docs/contracts/operators.md, "API keys"). Scanners of
 * repositories find it by its beginning, and one that was mistyped is known by its end, without the database.
 */
const FORM = /^slp_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}_([0-9A-Za-z]{6})$/;
const PREFIX = 'slp_';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 43 of 62 letters are 256 bits: beyond guessing, so that SHA-256 without salt and rounds protects it. */
const SECRET_LENGTH = 43;
/** 62⁶ is more than 2³². */
const CRC_LENGTH = 6;

/** A key for the row with this UUID, whose first 8 digits it shows. It is stored as a hash only. */
export function newKey(id: string): string {
  return secretOf(PREFIX, id);
}

/** A device's token, of the same form: `sld_` tells it from an operator's key wherever one is found. */
export function newDeviceToken(id: string): string {
  return secretOf('sld_', id);
}

/** A token by which devices enrol, of the same form. */
export function newEnrolmentToken(id: string): string {
  return secretOf('slpe_', id);
}

function secretOf(prefix: string, id: string): string {
  const secret = Array.from({ length: SECRET_LENGTH }, () => BASE62.charAt(randomInt(BASE62.length))).join('');
  const body = `${prefix}${id.slice(0, 8)}_${secret}`;
  return `${body}_${checksum(body)}`;
}

/** Whether it begins as keys of this service do, and its end is not the checksum of the rest. */
export function isMistyped(token: string): boolean {
  if (!token.startsWith(PREFIX)) return false;
  return FORM.exec(token)?.[1] !== checksum(token.slice(0, token.lastIndexOf('_')));
}

/** CRC-32 in base62, padded on the left. */
function checksum(text: string): string {
  let left = crc32(text);
  let printed = '';
  while (left > 0) {
    printed = BASE62.charAt(left % BASE62.length) + printed;
    left = Math.floor(left / BASE62.length);
  }
  return printed.padStart(CRC_LENGTH, BASE62.charAt(0));
}
