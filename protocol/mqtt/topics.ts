/**
 * The only place where topics are spelled: build, parse, filter (docs/contracts/device-mqtt.md, "Topics").
 *
 *     slipway/v1/{tenant}/{node}/{device}/up/{type}
 *     slipway/v1/{tenant}/{node}/{device}/down/{type}[/{slot}]
 *
 * `node` is the identity of the connection; `device` equals it, or is a child of that gateway.
 */
export const UP_TYPES = ['hello', 'status', 'progress', 'presence', 'log'] as const;
/** The last level of a topic that a device writes. */
export type UpType = (typeof UP_TYPES)[number];

/** What carries no slot. `desired` is the one that does. */
const PLAIN_DOWN_TYPES = ['cmd', 'ack'] as const;

/** The levels that say which device, and over which connection. Ids are text here, not yet UUIDs. */
export interface Address {
  readonly tenant: string;
  readonly node: string;
  readonly device: string;
}
/** A topic that a device, or its gateway, writes. */
export type UpTopic = Address & { readonly direction: 'up'; readonly type: UpType };
/** A topic that only the service writes; `slot` is there for documents only. */
export type DownTopic = Address & { readonly direction: 'down' } & (
    { readonly type: 'desired'; readonly slot: string } | { readonly type: (typeof PLAIN_DOWN_TYPES)[number] }
  );

/** A new major version of the payloads is a new root. */
export const ROOT = 'slipway/v1';

const LEVEL = /^[A-Za-z0-9_.-]{1,64}$/;
const SLOT = /^[A-Za-z0-9_.-]{1,255}$/;

/** A tenant, a node or a device, as a topic can carry it. */
export function isLevel(text: string): boolean {
  return LEVEL.test(text);
}

/**
 * A slot's name. What every object has by itself (`constructor`) would be found in any table of slots, so it names
 * none.
 */
export function isSlotName(text: string): boolean {
  return SLOT.test(text) && !(text in Object.prototype);
}

/** @throws Error where a level of the address cannot stand in a topic */
export function upTopic(address: Address, type: UpType): string {
  return `${base(address)}/up/${type}`;
}

/** @throws Error where a level of the address, or the slot, cannot stand in a topic */
export function desiredTopic(address: Address, slot: string): string {
  if (!isSlotName(slot))
    throw new Error(`"${slot}" cannot be a slot's level in a topic: 1 to 255 of A-Z a-z 0-9 _ . -`);
  return `${base(address)}/down/desired/${slot}`;
}

/** @throws Error where a level of the address cannot stand in a topic */
export function cmdTopic(address: Address): string {
  return `${base(address)}/down/cmd`;
}

/** @throws Error where a level of the address cannot stand in a topic */
export function ackTopic(address: Address): string {
  return `${base(address)}/down/ack`;
}

/**
 * Where the embedded broker tells the service that a device has no connection left: only the broker sees one end that
 * left no last will. It is between the two of them, and below no device's topics.
 * @throws Error where a level cannot stand in a topic
 */
export function endedTopic(tenant: string, node: string): string {
  assertLevels(tenant, node);
  return `${ROOT}/${tenant}/${node}/ended`;
}

/** All that the embedded broker tells of connections. Other brokers tell nothing there. */
export const ENDED_FILTER = `${ROOT}/+/+/ended`;

/** @returns whose connections have ended; undefined for any other topic. */
export function parseEndedTopic(topic: string): { tenant: string; node: string } | undefined {
  const [root, version, tenant = '', node = '', ended, ...deeper] = topic.split('/');
  const isOne = `${root}/${version}` === ROOT && ended === 'ended' && deeper.length === 0;
  return isOne && isLevel(tenant) && isLevel(node) ? { tenant, node } : undefined;
}

/** Everything that devices send. */
export const SERVICE_FILTER = `${ROOT}/+/+/+/up/#`;

/** Every document: what the broker retains of them comes to every subscriber. */
export const DESIRED_FILTER = `${ROOT}/+/+/+/down/desired/+`;

/** Everything that is sent to a device and, where it is a gateway, to its children. */
export function deviceFilter(tenant: string, node: string): string {
  assertLevels(tenant, node);
  return `${ROOT}/${tenant}/${node}/+/down/#`;
}

/** Reports of one type: of this device behind the node, or of the node and all behind it. */
export function upFilter(tenant: string, node: string, type: UpType, device?: string): string {
  assertLevels(tenant, node, ...(device === undefined ? [] : [device]));
  return `${ROOT}/${tenant}/${node}/${device ?? '+'}/up/${type}`;
}

/** Whatever a node has said, of itself and of any child. */
export function nodeUpFilter(tenant: string, node: string): string {
  assertLevels(tenant, node);
  return `${ROOT}/${tenant}/${node}/+/up/#`;
}

/** Everything that the service sends, by type. */
export const DOWN_FILTERS: readonly string[] = [
  `${ROOT}/+/+/+/down/desired/+`,
  ...PLAIN_DOWN_TYPES.map((type) => `${ROOT}/+/+/+/down/${type}`),
];

/** Every topic of this version of the protocol. */
export const PROTOCOL_FILTER = `${ROOT}/#`;

/** @returns undefined for whatever is not exactly one of the protocol's topics. */
export function parseTopic(topic: string): UpTopic | DownTopic | undefined {
  const [root, version, tenant, node, device, direction, type, slot, ...deeper] = topic.split('/');
  if (`${root}/${version}` !== ROOT || deeper.length > 0) return undefined;
  if (tenant === undefined || node === undefined || device === undefined || ![tenant, node, device].every(isLevel))
    return undefined;
  const address = { tenant, node, device };
  if (direction === 'up' && slot === undefined && isOneOf(UP_TYPES, type)) return { ...address, direction, type };
  if (direction !== 'down') return undefined;
  if (type === 'desired' && slot !== undefined && isSlotName(slot)) return { ...address, direction, type, slot };
  if (slot === undefined && isOneOf(PLAIN_DOWN_TYPES, type)) return { ...address, direction, type };
  return undefined;
}

function base({ tenant, node, device }: Address): string {
  assertLevels(tenant, node, device);
  return `${ROOT}/${tenant}/${node}/${device}`;
}

/** A wildcard or a slash in an id would send a document to a stranger: better no topic at all. */
function assertLevels(...levels: string[]): void {
  for (const level of levels) {
    if (!isLevel(level)) throw new Error(`"${level}" cannot be a level of a topic: 1 to 64 of A-Z a-z 0-9 _ . -`);
  }
}

function isOneOf<T extends string>(names: readonly T[], text: string | undefined): text is T {
  return (names as readonly (string | undefined)[]).includes(text);
}
