import type { z } from 'zod';
import { ack, cmd, desired, type Ack, type Cmd, type Desired } from './down.js';
import { storable, VERSION } from './fields.js';
import { parseTopic, type Address } from './topics.js';
import {
  hello,
  log,
  presence,
  progress,
  status,
  type Hello,
  type Log,
  type Presence,
  type Progress,
  type Status,
} from './up.js';

export { statusReceipt, type Ack, type Cmd, type Desired } from './down.js';
export { VERSION } from './fields.js';
export {
  ERROR_CODES,
  REPORTED_STATES,
  type HeldSlot,
  type Hello,
  type Log,
  type Presence,
  type Progress,
  type ReportedState,
  type Status,
} from './up.js';

/** Bytes. A document or report is a few hundred; what is larger is a mistake or an attack. */
export const MAX_PAYLOAD_BYTES = 8 * 1024;

/** In the order in which a message is checked: the first that fits is told. */
export const REFUSAL_REASONS = [
  'foreign_topic',
  'too_large',
  'not_utf8',
  'not_json',
  'unknown_version',
  'invalid',
] as const;
/** Why a message was not read. */
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** A report as it was read: where it came from, and its body by type. */
export type UpMessage = Address &
  (
    | { readonly type: 'hello'; readonly body: Hello }
    | { readonly type: 'status'; readonly body: Status }
    | { readonly type: 'progress'; readonly body: Progress }
    | { readonly type: 'presence'; readonly body: Presence }
    | { readonly type: 'log'; readonly body: Log }
  );
/** `body: null` of a desired document = nothing is to be installed in this slot. */
export type DownMessage = Address &
  (
    | { readonly type: 'desired'; readonly slot: string; readonly body: Desired | null }
    | { readonly type: 'cmd'; readonly body: Cmd }
    | { readonly type: 'ack'; readonly body: Ack }
  );

/** `detail` is a sentence for the device's engineer. */
export type Refused = { readonly ok: false; readonly reason: RefusalReason; readonly detail: string };
/** A message, or why there is none. Reading never throws. */
export type Parsed<Message> = { readonly ok: true; readonly message: Message } | Refused;

const UP = { hello, status, progress, presence, log };
const DOWN = { desired, cmd, ack };

/** What a device sent. Never throws: whatever arrives is a message or a refusal that says why. */
export function parseUp(topic: string, payload: Uint8Array): Parsed<UpMessage> {
  const parsed = parseTopic(topic);
  if (parsed?.direction !== 'up') return foreign(topic, 'slipway/v1/{tenant}/{node}/{device}/up/{type}');
  const { tenant, node, device, type } = parsed;
  if (type === 'presence' && device !== node)
    return refused('foreign_topic', `presence is of the connection: ${node} cannot speak for ${device}`);
  const body = parseBody(UP[type], type, payload);
  // The schema was chosen by the type, which the compiler cannot follow.
  return body.ok ? { ok: true, message: { tenant, node, device, type, body: body.value } as UpMessage } : body;
}

/** What the service sent, read by a device. Never throws. */
export function parseDown(topic: string, payload: Uint8Array): Parsed<DownMessage> {
  const parsed = parseTopic(topic);
  if (parsed?.direction !== 'down') return foreign(topic, 'slipway/v1/{tenant}/{node}/{device}/down/{type}');
  const { tenant, node, device, type } = parsed;
  const about = { tenant, node, device, type, ...(type === 'desired' && { slot: parsed.slot }) };
  if (type === 'desired' && payload.length === 0) return { ok: true, message: { ...about, body: null } as DownMessage };
  const body = parseBody(DOWN[type], type, payload);
  return body.ok ? { ok: true, message: { ...about, body: body.value } as DownMessage } : body;
}

/** Whatever a sender may write: times also as RFC 3339 text, defaults left out. */
export type Printable = z.input<(typeof UP)[keyof typeof UP]> | z.input<(typeof DOWN)[keyof typeof DOWN]>;

/** Whether `print` would take it. */
export function fits(body: Printable): boolean {
  return Buffer.byteLength(JSON.stringify(body), 'utf8') <= MAX_PAYLOAD_BYTES;
}

/** The payload's bytes. @throws when it would be too large for any receiver: better here than refused there. */
export function print(body: Printable): Buffer {
  const bytes = Buffer.from(JSON.stringify(body), 'utf8');
  if (bytes.length > MAX_PAYLOAD_BYTES)
    throw new Error(`a payload of ${bytes.length} bytes is over the limit of ${MAX_PAYLOAD_BYTES}`);
  return bytes;
}

function parseBody(schema: z.ZodType, type: string, payload: Uint8Array): { ok: true; value: unknown } | Refused {
  if (payload.length > MAX_PAYLOAD_BYTES)
    return refused('too_large', `${payload.length} bytes; at most ${MAX_PAYLOAD_BYTES} are read`);
  const decoded = decode(payload);
  if (decoded === undefined) return refused('not_utf8', 'the payload is not UTF-8');
  const json = parseJson(decoded);
  if (json === undefined)
    return refused('not_json', decoded === '' ? 'the payload is empty' : 'the payload is not JSON');
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return refused('invalid', `a ${type} is a JSON object`);
  const { v } = json as { v?: unknown };
  if (v !== VERSION)
    return refused(
      'unknown_version',
      `${v === undefined ? '"v" is missing' : `"v" is ${short(v)}`}; this service reads "v": ${VERSION}`,
    );
  const checked = schema.safeParse(json);
  return checked.success ? { ok: true, value: checked.data } : refused('invalid', explain(type, checked.error));
}

/** The first faults, by member: `status.attempt: …`. A device that gets one wrong often gets twenty wrong. */
function explain(type: string, error: z.ZodError): string {
  const named = error.issues
    .slice(0, 3)
    .map((issue) => `${[type, ...issue.path.map(String)].join('.')}: ${issue.message}`);
  const rest = error.issues.length - named.length;
  return cut(named.join('; '), 500) + (rest > 0 ? `; and ${rest} more` : '');
}

function decode(payload: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(payload);
  } catch (error) {
    if ((error as { name?: unknown }).name === 'TypeError') return undefined;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if ((error as { name?: unknown }).name === 'SyntaxError') return undefined;
    throw error;
  }
}

function foreign(topic: string, form: string): Refused {
  return refused('foreign_topic', `${short(topic)} is not of the form ${form}`);
}

function refused(reason: RefusalReason, detail: string): Refused {
  return { ok: false, reason, detail };
}

function short(value: unknown): string {
  return cut(JSON.stringify(value), 120);
}

function cut(text: string, max: number): string {
  return storable(text.length > max ? `${text.slice(0, max)}…` : text);
}
