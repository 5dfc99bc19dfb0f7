import { wantsDocument } from '../domain/installation/standing.js';
import type { InstallationEvent } from '../domain/installation/events.js';
import type { Work } from '../domain/installation/work.js';
import { statusReceipt, VERSION, type Ack, type HeldSlot, type Hello, type Status, type UpMessage } from '../protocol/mqtt/payloads.js';
import type { Recorded, Report } from '../store/record.js';

/** Terminal statuses are acknowledged on `down/ack`; the device repeats them until it sees that. */
const TERMINAL: ReadonlySet<string> = new Set(['installed', 'failed', 'rejected', 'canceled']);

/** What a message says, as reports for `store/record`; a hello of a gateway is one for itself and one for each child that it reaches. */
export function reportsOf(message: UpMessage, aliases: ReadonlyMap<string, string>): Report[] {
  const about = { tenantId: message.tenant, deviceId: message.device, from: { kind: 'device' as const, node: message.node } };
  switch (message.type) {
    case 'presence':
      return [{ ...about, kind: 'presence', online: message.body.online, session: message.body.session }];
    case 'progress': {
      const { installationId, phase, bytes, total } = message.body;
      return [{ ...about, kind: 'event', installationId, event: { type: 'progress', phase, bytes, total } }];
    }
    case 'status':
      return [{ ...about, kind: 'event', installationId: message.body.installationId, event: eventOf(message.body) }];
    case 'hello': {
      const { body } = message;
      const own: Report = { ...about, kind: 'hello', hello: { ...(body.bootId ? { bootId: body.bootId } : {}), agent: body.agent, ...(body.caps ? { caps: body.caps } : {}), slots: body.slots } };
      return [own, ...childrenOf(body, message.tenant, aliases).filter((child) => child.reachable).map((child): Report => ({
        ...about, deviceId: child.id, kind: 'hello', hello: { slots: child.slots },
      }))];
    }
    case 'log':
      return [];
  }
}

/** A state of a later minor version counts as "not ended": it is taken as a sign of life, and changes nothing. */
function eventOf(status: Status): InstallationEvent {
  const base = { attempt: status.attempt, seq: status.seq, ...(status.error ? { error: deviceError(status.error) } : {}) };
  switch (status.state) {
    case 'deferred':
      return { ...base, type: 'deferred', ...(status.until === undefined ? {} : { until: status.until }) };
    case 'unknown':
      return { ...base, type: 'accepted' };
    default:
      return { ...base, type: status.state };
  }
}

function deviceError(error: NonNullable<Status['error']>): { code: string; message: string; retriable?: boolean } {
  return { code: error.code, message: error.message, ...(error.retriable === undefined ? {} : { retriable: error.retriable }) };
}


interface Child {
  id: string;
  said: string;
  slots: Readonly<Record<string, HeldSlot>>;
  reachable: boolean;
}

/** The children that a hello names, by id: `device` is an id, or an alias while the id is not known. */
export function childrenOf(hello: Hello, tenant: string, aliases: ReadonlyMap<string, string>): Child[] {
  return (hello.children ?? []).flatMap((child): Child[] => {
    const id = isUuid(child.device) ? child.device.toLowerCase() : [child.device, ...(child.aliases ?? [])].map((alias) => aliases.get(`${tenant}/${alias}`)).find((found) => found !== undefined);
    return id === undefined ? [] : [{ id, said: child.device, slots: child.slots, reachable: child.reachable }];
  });
}

/** The names in a message that have to be looked up before its reports can be made. */
export function aliasesIn(message: UpMessage): { tenantId: string; alias: string }[] {
  if (message.type !== 'hello') return [];
  return (message.body.children ?? []).flatMap((child) => (isUuid(child.device) ? [] : [child.device, ...(child.aliases ?? [])].map((alias) => ({ tenantId: message.tenant, alias }))));
}

/** The receipt for a message, or undefined where none is due. `recorded` are the answers to its reports, its own first. */
export function receiptOf(message: UpMessage, recorded: readonly Recorded[], aliases: ReadonlyMap<string, string>): Ack | undefined {
  const own = recorded[0];
  if (!own) return undefined;
  if (message.type === 'status') {
    return TERMINAL.has(message.body.state) ? { v: VERSION, for: statusReceipt(message.body), result: resultOf(own) } : undefined;
  }
  if (message.type !== 'hello') return undefined;
  const base: Ack = { v: VERSION, for: message.body.msgId, result: resultOf(own) };
  if (own.outcome === 'refused') return base;
  const children = Object.fromEntries(childrenOf(message.body, message.tenant, aliases).filter((child) => child.said !== child.id).map((child) => [child.said, child.id]));
  return { ...base, open: openOf(own.work), ...(Object.keys(children).length > 0 ? { children } : {}) };
}

/** What is to be in work, by slot: what a device holds beyond this was withdrawn while it was away. */
function openOf(work: Work): NonNullable<Ack['open']> {
  return Object.fromEntries(Object.values(work.installations).filter(wantsDocument).map((one) => [one.slot, { installationId: one.id, revision: one.revision! }]));
}

function resultOf(recorded: Recorded): Ack['result'] {
  if (recorded.outcome !== 'refused') return 'ok';
  switch (recorded.reason) {
    case 'forbidden':
      return 'forbidden';
    case 'unknown_device':
    case 'unknown_installation':
    case 'unknown_attempt':
      return 'unknown';
    case 'stale_attempt':
    case 'ended':
    case 'too_late':
      return 'stale';
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
