import { LAST_REVISION } from '../../domain/installation/device-aggregate.js';
import type { Presence } from '../../domain/installation/presence.js';
import type { InstallationEvent } from '../../domain/installation/events.js';
import type { HeldSlot, Hello, Status, UpMessage } from '../../protocol/mqtt/payloads.js';
import type { Report } from '../record.js';
import { isUuid } from '../../domain/uuid.js';

/**
 * What a message says, as reports for `store/record`; a hello of a gateway is one for itself and one for each child
 * that it names.
 */
export function reportsOf(
  message: UpMessage,
  aliases: ReadonlyMap<string, string>,
  source?: Presence['source'],
): Report[] {
  const about = {
    tenantId: message.tenant,
    deviceId: message.device,
    from: { kind: 'device' as const, node: message.node },
  };
  switch (message.type) {
    case 'presence':
      return [
        {
          ...about,
          kind: 'presence',
          online: message.body.online,
          session: message.body.session,
          ...(source !== undefined && { source }),
        },
      ];
    case 'progress': {
      const { installationId, phase, bytes, total } = message.body;
      return [{ ...about, kind: 'event', installationId, event: { type: 'progress', phase, bytes, total } }];
    }
    case 'status':
      return [{ ...about, kind: 'event', installationId: message.body.installationId, event: eventOf(message.body) }];
    case 'hello': {
      const { body } = message;
      const own: Report = {
        ...about,
        kind: 'hello',
        hello: {
          ...(body.bootId ? { bootId: body.bootId } : {}),
          agent: body.agent,
          ...(body.caps ? { caps: body.caps } : {}),
          ...(body.deviceType === undefined ? {} : { deviceType: body.deviceType }),
          slots: body.slots,
        },
      };
      return [
        own,
        ...childrenOf(message, aliases).map(({ id, slots, reachable, deviceType }): Report => ({
          ...about,
          deviceId: id,
          kind: 'hello',
          hello: { slots, reachable, ...(deviceType === undefined ? {} : { deviceType }) },
        })),
      ];
    }
    case 'log':
      return [{ ...about, kind: 'sign_of_life' }];
  }
}

/** A state of a later minor version counts as "not ended": it is taken as a sign of life, and changes nothing. */
function eventOf(status: Status): InstallationEvent {
  const base = {
    attempt: status.attempt,
    seq: status.seq,
    slot: status.slot,
    ...(status.error ? { error: deviceError(status.error) } : {}),
  };
  switch (status.state) {
    case 'deferred':
      return { ...base, type: 'deferred', ...deferralOf(status) };
    case 'unknown':
      return { ...base, type: 'accepted' };
    case 'installed':
      return { ...base, type: 'installed', ...(status.version === undefined ? {} : { version: status.version }) };
    default:
      return { ...base, type: status.state };
  }
}

/**
 * A device's clock may say anything: `until` counts from the message's own `at`. Where that is missing nothing is known
 * of the span, and the policy's own limit holds.
 */
function deferralOf({ at, until, forSeconds }: Status): { forMs?: number } {
  if (forSeconds !== undefined) return { forMs: forSeconds * 1_000 };
  return until === undefined || at === undefined ? {} : { forMs: Math.max(0, until - at) };
}

function deviceError(error: NonNullable<Status['error']>): { code: string; message: string; retriable?: boolean } {
  return {
    code: error.code,
    message: error.message,
    ...(error.retriable === undefined ? {} : { retriable: error.retriable }),
  };
}

interface Child {
  id: string;
  /**
   * What the hello calls it, where that is not its id: `device`, and those of its aliases that are known as this one's.
   */
  names: readonly string[];
  slots: Readonly<Record<string, HeldSlot>>;
  reachable: boolean;
  deviceType?: string;
}
type Named = NonNullable<Hello['children']>[number];

/**
 * The children that a hello names, by id: `device` is an id, or an alias while the id is not known. Each once: the
 * first word counts.
 */
export function childrenOf(message: UpMessage & { type: 'hello' }, aliases: ReadonlyMap<string, string>): Child[] {
  const children = new Map<string, Child>();
  for (const child of message.body.children ?? []) {
    const id = idOf(child, message.tenant, aliases);
    // A gateway does not stand behind itself: what it says of itself is in its own slots.
    if (id !== undefined && id !== message.device && !children.has(id))
      children.set(id, {
        id,
        names: namesOf(child, id, message.tenant, aliases),
        slots: child.slots,
        reachable: child.reachable,
        ...(child.deviceType === undefined ? {} : { deviceType: child.deviceType }),
      });
  }
  return [...children.values()];
}

function namesOf(child: Named, id: string, tenant: string, aliases: ReadonlyMap<string, string>): string[] {
  return isUuid(child.device)
    ? []
    : [child.device, ...(child.aliases ?? []).filter((alias) => aliases.get(`${tenant}/${alias}`) === id)];
}

/** What a hello calls its children that names no device of the tenant. */
export function unknownChildren(message: UpMessage, aliases: ReadonlyMap<string, string>): string[] {
  if (message.type !== 'hello') return [];
  return (message.body.children ?? [])
    .filter((child) => idOf(child, message.tenant, aliases) === undefined)
    .map((child) => child.device);
}

function idOf(child: Named, tenant: string, aliases: ReadonlyMap<string, string>): string | undefined {
  if (isUuid(child.device)) return child.device.toLowerCase();
  return [child.device, ...(child.aliases ?? [])]
    .map((alias) => aliases.get(`${tenant}/${alias}`))
    .find((found) => found !== undefined);
}

/** The names in a message that have to be looked up before its reports can be made. */
export function aliasesIn(message: UpMessage): { tenantId: string; alias: string }[] {
  if (message.type !== 'hello') return [];
  return (message.body.children ?? []).flatMap((child) =>
    isUuid(child.device)
      ? []
      : [child.device, ...(child.aliases ?? [])].map((alias) => ({ tenantId: message.tenant, alias })),
  );
}

/** Slots whose revision leaves no room for a document above it, as sentences for the device's engineer. */
export function ceilingsIn(message: UpMessage): string[] {
  if (message.type !== 'hello') return [];
  return Object.entries(message.body.slots).flatMap(([slot, { revision }]) =>
    revision < LAST_REVISION
      ? []
      : [`slot "${slot}" has seen revision ${revision}, and no document can be above it: let the device forget it`],
  );
}

/** Files of its own that the device could not read and has set aside, as sentences for its engineer. */
export function damagedIn(message: UpMessage): readonly string[] {
  return message.type === 'hello' ? (message.body.damaged ?? []) : [];
}

/** What a log says, for last-diagnostics: the newest lines, as many as are kept there. undefined for other messages. */
export function linesOf(message: UpMessage): string | undefined {
  if (message.type !== 'log') return undefined;
  const { lines, installationId } = message.body;
  const text = lines.join('\n');
  return `${installationId === undefined ? '' : `installation ${installationId}: `}${text.length > LOG_CHARACTERS ? `…${text.slice(-LOG_CHARACTERS)}` : text}`;
}
const LOG_CHARACTERS = 900;
