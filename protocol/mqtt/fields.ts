import { z } from 'zod';
import { isLevel, isSlotName } from './topics.js';
import { UUID } from '../../domain/uuid.js';

/**
 * The members that several payloads share. Everything that a receiver stores is bounded and storable here, so that
 * nothing behind it need check again.
 */

/** Of every payload; another one is refused as `unknown_version` before a schema sees it. */
export const VERSION = 1;
/** Exactly `VERSION`. */
export const version = z.literal(VERSION);

/** Read in any case of letters, lower case afterwards: two spellings are one id. */
export const uuid = z
  .string()
  .regex(UUID, 'must be a UUID')
  .transform((text) => text.toLowerCase());
/** 64 hexadecimal digits, lower case afterwards. */
export const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'must be a SHA-256 in 64 hexadecimal digits')
  .transform((text) => text.toLowerCase());
/** One level of a topic (docs/contracts/device-mqtt.md, "Topics"). */
export const level = z.string().refine(isLevel, 'must be 1 to 64 of A-Z a-z 0-9 _ . -');
/** The name of a slot, which is the last level of its topic. */
export const slotName = z.string().refine(isSlotName, "must be a slot's name: 1 to 255 of A-Z a-z 0-9 _ . -");

/**
 * NUL and lone surrogates are no text for PostgreSQL; a device's diagnostics are worth more than their odd characters.
 */
const UNSTORABLE = /[\0\uD800-\uDFFF]/gu;
/** The text with U+FFFD in the place of each character that PostgreSQL does not take. */
export const storable = (raw: string) => raw.replace(UNSTORABLE, '\uFFFD');
/** A person reads it: what is too long for that is cut, and the report that it belongs to still counts. */
export const cutTo = (max: number) => z.string().transform((raw) => storable(raw.slice(0, max)));
/** At most `max` UTF-16 units, storable afterwards; longer = refused. */
export const text = (max: number) => z.string().max(max).transform(storable);
/** 1 to 255 UTF-16 units, storable afterwards. */
export const name = z.string().min(1).max(255).transform(storable);

/** Counters fit PostgreSQL's integer. */
const INTEGER_MAX = 2_147_483_647;
/** A whole number from `min` up to what PostgreSQL's integer holds. */
export const counter = (min: number) => z.int().min(min).max(INTEGER_MAX);
/** Revisions of a slot's documents: whole numbers of 53 bits, as JSON carries them everywhere. */
export const revision = (min: number) => z.int().min(min);
/** A size in bytes. */
export const bytes = z.int().min(0);

/**
 * Epoch milliseconds of the year 3000: what is later is seconds or microseconds by mistake, or a clock that runs wild.
 */
const LATEST = 32_503_680_000_000;
/**
 * A time on the wire is RFC 3339 with an offset (T and Z may be small, §5.6), or epoch milliseconds; read as epoch
 * milliseconds.
 */
export const instant = z
  .union(
    [
      z
        .string()
        .toUpperCase()
        .check(z.iso.datetime({ offset: true }))
        .transform((text) => Date.parse(text)),
      z.int(),
    ],
    'must be RFC 3339 with an offset, or epoch milliseconds',
  )
  .refine((time) => time >= 0 && time <= LATEST, 'must be a time between 1970 and 3000');
/**
 * `at` is informational, the time of receipt decides: a device without a clock may leave it out, and an unreadable one
 * costs no report.
 */
export const at = instant.optional().catch(undefined);

/** A time that the service prints: RFC 3339, kept as text. */
export const printedTime = z.iso.datetime({ offset: true });
