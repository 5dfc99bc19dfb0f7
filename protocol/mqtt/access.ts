import { isLevel, parseEndedTopic, parseTopic, ROOT } from './topics.js';

/**
 * Who a connection is, and what it may do: the one matcher (docs/contracts/device-mqtt.md, "Credentials"). The embedded
 * broker calls it, an outside broker's access list is generated from it, and tests hold both to what is delivered.
 */
export type Identity =
  { readonly kind: 'service' } | { readonly kind: 'device'; readonly tenant: string; readonly node: string };

/** A device writes `up` below its own node (presence only of itself), the service writes `down`. */
export function mayPublish(identity: Identity, topic: string): boolean {
  const parsed = parseTopic(topic);
  if (!parsed) return false;
  if (identity.kind === 'service') return parsed.direction === 'down';
  const own = parsed.direction === 'up' && parsed.tenant === identity.tenant && parsed.node === identity.node;
  return own && (parsed.type !== 'presence' || parsed.device === parsed.node);
}

/** A last will speaks for the connection, so it may only speak of the node itself. */
export function mayLeaveWill(identity: Identity, topic: string): boolean {
  const parsed = parseTopic(topic);
  return parsed !== undefined && parsed.device === parsed.node && mayPublish(identity, topic);
}

/** Presence of a device is the one thing of `up` that a later subscriber must still find. */
export function mayRetain(identity: Identity, topic: string): boolean {
  return identity.kind === 'service' || parseTopic(topic)?.type === 'presence';
}

/** May a message on this topic be handed to it, whatever it subscribed to? The second wall behind maySubscribe. */
export function mayReceive(identity: Identity, topic: string): boolean {
  const parsed = parseTopic(topic);
  if (!parsed) return identity.kind === 'service' && parseEndedTopic(topic) !== undefined;
  return (
    identity.kind === 'service' ||
    (parsed.direction === 'down' && parsed.tenant === identity.tenant && parsed.node === identity.node)
  );
}

/**
 * A filter is allowed where everything it matches is: for a device, below `{tenant}/{node}/+/down/`; for the service,
 * below the root. Narrower filters are fine, wider ones are refused as a whole.
 */
export function maySubscribe(identity: Identity, filter: string): boolean {
  const levels = filter.split('/');
  if (`${levels[0]}/${levels[1]}` !== ROOT || !levels.slice(2).every(isFilterLevel)) return false;
  if (levels.slice(0, -1).includes('#')) return false;
  if (identity.kind === 'service') return levels.length > 2 && levels.length <= 8;
  const [, , tenant, node, device, direction] = levels;
  // Seven or eight levels: `down/` is followed by a type, a type and a slot, or wildcards in their place.
  if (levels.length < 7 || levels.length > 8 || device === '#') return false;
  return tenant === identity.tenant && node === identity.node && direction === 'down';
}

/** The user name of a device, and the common name of its certificate: `tenant/node`. */
export function parseUsername(username: string): { tenant: string; node: string } | undefined {
  const [tenant, node, ...more] = username.split('/');
  if (tenant === undefined || node === undefined || more.length > 0 || !isLevel(tenant) || !isLevel(node))
    return undefined;
  return { tenant, node };
}

/** The common name in a subject as node prints it, a line for each part; undefined = none, or several. */
export function commonNameOf(subject: string | undefined): string | undefined {
  const names = [...(subject ?? '').matchAll(/^CN=(.*)$/gm)];
  return names.length === 1 ? names[0]?.[1] : undefined;
}

/** A slot's level is longer than the others. */
function isFilterLevel(level: string): boolean {
  return level === '+' || level === '#' || /^[A-Za-z0-9_.-]{1,255}$/.test(level);
}
