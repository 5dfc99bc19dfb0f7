import type { AedesOptions, Client } from 'aedes';
import type { Pace } from './pace.js';
import {
  mayLeaveWill,
  mayPublish,
  mayReceive,
  mayRetain,
  maySubscribe,
  type Identity,
} from '../../protocol/mqtt/access.js';

/** Who a connection was let in as. */
export interface Admission {
  readonly identity: Identity;
  /** Of the password that was used; what is revoked is this, not the device. */
  readonly credentialId?: string;
}

const gone = (): Error => new Error('the connection has closed');

type Rules = Required<Pick<AedesOptions, 'authorizePublish' | 'authorizeSubscribe' | 'authorizeForward'>>;
/** What a client tried (docs/contracts/device-mqtt.md, "Credentials"). */
export type RefusedAct = 'publish' | 'subscribe' | 'will';
type Refused = (client: Client, what: RefusedAct, topic: string, payload?: Buffer) => void;

/** Where refused messages go. No client can subscribe to it, and nothing is kept under it. */
const NOWHERE = '$refused';
/** A gateway needs one filter (`+/down/#`); each one costs memory and a step of every match. */
const MAX_FILTERS = 256;
/**
 * Beyond it a device does not read what it is sent; each further message would block one of the broker's few delivery
 * slots.
 */
const MAX_UNREAD_BYTES = 128 * 1024;

/**
 * aedes' questions, answered by the one matcher. An error from `authorizePublish` would end the connection, so refused
 * messages go nowhere instead.
 */
export function guard(
  sessionOf: (client: Client) => { readonly admission: Admission } | undefined,
  holds: Readonly<Record<Identity['kind'], { pass(go: () => void): void }>>,
  refused: Refused,
  paceOf: (client: Client) => Pace | undefined,
): Rules {
  const filters = new WeakMap<Client, number>();

  const authorizePublish: Rules['authorizePublish'] = (client, packet, done) => {
    const identity = client ? sessionOf(client)?.admission.identity : undefined;
    if (!client || !identity) return done(new Error('a client that was not let in cannot publish'));
    // aedes asks about the last will when the connection has closed, and about everything else before.
    const isWill = client.closed;
    if (!(isWill ? mayLeaveWill : mayPublish)(identity, packet.topic)) {
      refused(client, isWill ? 'will' : 'publish', packet.topic, Buffer.from(packet.payload));
      if (isWill) return done(new Error('this last will is not allowed'));
      // The sender gets its PUBACK as from any MQTT 3.1.1 broker: it has no word for "refused".
      Object.assign(packet, { topic: NOWHERE, payload: Buffer.alloc(0), retain: false });
      return done();
    }
    if (packet.retain && !mayRetain(identity, packet.topic)) packet.retain = false;
    if (isWill) return done();
    // Who was cut off or taken over while it waited here says nothing more.
    const go = () => holds[identity.kind].pass(() => done(client.closed ? gone() : null));
    const pace = identity.kind === 'device' ? paceOf(client) : undefined;
    if (pace) pace.pass(() => (client.closed ? done(gone()) : go()));
    else go();
  };

  const authorizeSubscribe: Rules['authorizeSubscribe'] = (client, subscription, done) => {
    const identity = sessionOf(client)?.admission.identity;
    const count = (filters.get(client) ?? 0) + 1;
    filters.set(client, count);
    const allowed = identity !== undefined && count <= MAX_FILTERS && maySubscribe(identity, subscription.topic);
    if (!allowed) {
      refused(client, 'subscribe', subscription.topic);
      // aedes stores all filters of a SUBSCRIBE as soon as one of them is granted, the refused ones too, and would
      // queue for them.
      subscription.topic = NOWHERE;
    }
    // Not at once: the other filters of this packet must have been through here before any is stored.
    setImmediate(done, null, allowed ? subscription : null);
  };

  const authorizeForward: Rules['authorizeForward'] = (client, packet) => {
    const identity = sessionOf(client)?.admission.identity;
    if (!identity || !mayReceive(identity, packet.topic)) return null;
    if (identity.kind === 'device' && client.conn.writableLength > MAX_UNREAD_BYTES) {
      client.conn.destroy();
      return null;
    }
    // aedes looks the granted QoS up by topic instead of filter, so through a wildcard QoS 2 arrives as 2 at who asked
    // for 1.
    if (packet.qos === 2) packet.qos = 1;
    return packet;
  };

  return { authorizePublish, authorizeSubscribe, authorizeForward };
}
