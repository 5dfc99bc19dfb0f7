import { parseUp, VERSION, type UpMessage } from '../../protocol/mqtt/payloads.js';
import { parseEndedTopic } from '../../protocol/mqtt/topics.js';
import { REFUSAL_SENTENCES } from '../../store/commands/refusal-sentences.js';
import type { Reading as ReadingOf, Refusal, Said } from '../../store/commands/device-messages.js';
import { isUuid } from '../../domain/uuid.js';

/** A message as the connection hands it over. `acknowledge` sends the PUBACK, and is called once, after the commit. */
export interface Incoming extends Said {
  acknowledge(): void;
  /** It will take long: the acknowledgements of those behind it leave before its own. */
  passOver?(): void;
}

/** A message as it was read, once, however often its batch is tried: what it says, or why it is refused. */
export type Reading = ReadingOf<Incoming>;

/** For the log: whom a message is about, by the names that every line has for it (docs/operations.md). */
export function aboutOf(reading: Reading): {
  topic: string;
  tenantId?: string;
  deviceId?: string;
  installationId?: string;
} {
  const { topic } = reading.incoming;
  if ('refusal' in reading)
    return {
      topic,
      ...(reading.refusal.about && {
        tenantId: reading.refusal.about.tenantId,
        deviceId: reading.refusal.about.device,
      }),
    };
  const { tenant, device, body } = reading.message;
  return {
    topic,
    tenantId: tenant,
    deviceId: device,
    ...('installationId' in body && typeof body.installationId === 'string' && { installationId: body.installationId }),
  };
}

/** Whose connection it came over: `{tenant}/{node}` of `slipway/v1/{tenant}/{node}`. */
export function nodeOf({ topic }: Incoming): string {
  const [, , tenant, node] = topic.split('/', 4);
  return `${tenant}/${node}`;
}

/** Reads one message without asking the database. Never throws: what cannot be read is a refusal with its reason. */
export function read(incoming: Incoming): Reading {
  const ended = parseEndedTopic(incoming.topic);
  if (ended && isId(ended.node)) return { incoming, message: goneOf(ended), source: 'connection' };
  const parsed = parseUp(incoming.topic, incoming.payload);
  if (!parsed.ok) return { incoming, refusal: refusalOf(incoming, parsed.reason, parsed.detail) };
  const { node, device, type } = parsed.message;
  // What is kept comes again with each subscription, and would tell of the past as of now.
  if (incoming.retain === true && type !== 'presence')
    return {
      incoming,
      refusal: refusalOf(incoming, 'retained', REFUSAL_SENTENCES['retained'] ?? type),
    };
  if (isId(node) && isId(device))
    return { incoming, message: parsed.message, ...(incoming.retain === true && { source: 'retained' }) };
  return {
    incoming,
    refusal: refusalOf(
      incoming,
      'unknown_device',
      'the levels of node and device in the topic are the ids that the service gave, in small letters',
    ),
  };
}

/** What the embedded broker tells, as presence of the device. */
function goneOf({ tenant, node }: { tenant: string; node: string }): UpMessage {
  return { tenant, node, device: node, type: 'presence', body: { v: VERSION, online: false, session: '' } };
}

/** The same message, refused after all. */
export function refused({ incoming }: Reading, reason: string, detail: string): Reading {
  return { incoming, refusal: refusalOf(incoming, reason, detail) };
}

function refusalOf(incoming: Incoming, reason: string, detail: string): Refusal {
  const [, , tenantId, node, device] = incoming.topic.split('/');
  if (tenantId === undefined || node === undefined || !isId(node)) return { reason, detail, about: undefined };
  return { reason, detail, about: { tenantId, node, device: device !== undefined && isId(device) ? device : node } };
}

/** Topics are compared letter by letter, so that an id in capitals is no known device's. */
function isId(level: string): boolean {
  return isUuid(level) && level === level.toLowerCase();
}
