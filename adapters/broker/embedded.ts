import type { X509Certificate } from 'node:crypto';
import net from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { Aedes, type Client } from 'aedes';
import { admission, refusal, SERVER_UNAVAILABLE } from './admission.js';
import { guard, type Admission, type RefusedAct } from './guard.js';
import { BackpressureGate, MAX_DELIVERING, MAX_UNACKNOWLEDGED } from './backpressure-gate.js';
import { limitPackets, MAX_STRANGER_BYTES } from './packet-limits.js';
import { paces } from './pace.js';
import { OutgoingQueues } from './outgoing.js';
import { retainedByNode } from './retained.js';
import { Sessions, type Gone, type Session } from './sessions.js';
import { Addresses } from './addresses.js';
import { Handshakes, type HandshakeLimits } from './handshakes.js';
import { releaseByTurns, type Emitter } from './release-by-turns.js';
import { endedTopic } from '../../protocol/mqtt/topics.js';

export type { Admission } from './guard.js';

/** As much of a logger as the broker needs. */
export interface BrokerLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

/** Speaks MQTT 3.1.1 (docs/contracts/device-mqtt.md, "Facts that decided it"). */
export interface EmbeddedBrokerOptions {
  host: string;
  /** 0 = any free one. */
  port: number;
  /** null = not let in. @throws when it cannot be known now: the client is told to come again. */
  authenticate(username: string, password: string): Promise<Admission | null>;
  log: BrokerLog;
  /** Told of what a device that was let in was refused: MQTT 3.1.1 has no word for it to the device. */
  onRefused?(refused: Refused): void;
  /** A second listener beside the plain one. */
  tls?: {
    port: number;
    context: SecureContextOptions;
    /** Of a client that sends no password. null = not let in. @throws when it cannot be known now */
    authenticate?(certificate: X509Certificate): Promise<Admission | null>;
  };
  /** Absent: as the settings have it by default. */
  limits?: ConnectionLimits;
  /** Told of each connection that a limit ended, slowed, or did not let in. */
  onLimit?(limit: BrokerLimit): void;
}

/** So many connections at the same time, and what one of them may cost. The service's own do not count. */
export interface ConnectionLimits {
  /** Of one device: beyond them, the oldest is ended. */
  readonly perDevice: number;
  /** From one IPv4 address, or one IPv6 network of 64 bits: a further one is told to come again. */
  readonly perAddress: number;
  /** Messages of one connection in a second: more wait. Absent = no limit. */
  readonly messagesPerSecond?: number;
  /** Of a client that was not let in. */
  readonly bytesBeforeConnect?: number;
  readonly handshakes?: HandshakeLimits;
}

/** What limited a connection: each is counted, and said in the log. */
export type BrokerLimit = 'perDevice' | 'perAddress' | 'messages' | 'bytes' | 'handshake';

/**
 * `packet`: one that is over the limit, of which nothing is known but its beginning; the connection was cut.
 * `connection`: a newer one of the same device took its place.
 */
export interface Refused {
  readonly tenant: string;
  readonly node: string;
  readonly what: RefusedAct | 'packet' | 'connection';
  readonly topic?: string;
  readonly payload?: Buffer;
  /** Of `packet`: which limit. */
  readonly why?: string;
}

/** A broker that runs in this process; `port` is the one that it has got. */
export interface EmbeddedBroker {
  readonly port: number;
  /** Undefined without TLS. */
  readonly tlsPort: number | undefined;
  /** For connections to come; those that are open go on as they began. */
  renewTls(context: SecureContextOptions): void;
  /** Who is connected, and by which credential. One entry per connection. */
  connected(): Admission[];
  /** Ends the connections of a node: all, or those that came in by one credential. Their last wills are sent. */
  disconnect(tenant: string, node: string, credentialId?: string): void;
  close(): Promise<void>;
}

/** For CONNECT to arrive. */
const CONNECT_TIMEOUT_MS = 10_000;
/** A service that reads nothing for so long is cut off; until then its publishers wait. */
const DRAIN_TIMEOUT_MS = 20_000;
/**
 * Per socket. aedes stops a delivery slot (100 in all) for every write above it, so that few slow devices would stop
 * the broker.
 */
const SOCKET_BUFFER_BYTES = 128 * 1024;
/** A device has one connection, and for a while an old one that a radio cell lost; an address may be a site's NAT. */
const LIMITS: ConnectionLimits = { perDevice: 10, perAddress: 10_000 };
const HANDSHAKES: HandshakeLimits = { timeoutMs: 10_000, perMinute: Infinity };
/**
 * CONNECTs that are let in and have no CONNACK yet; the others wait. Each stands in the queue of deliveries for a
 * moment.
 */
const MAX_CONNECTING = 100;
/** The kernel takes connections up to here while this process is busy; beyond it, each is repeated after a second. */
const BACKLOG = 4_096;
/**
 * Messages at QoS 2 of one connection whose handshake is open: the identifier of each is remembered. A device that
 * sends more ahead is cut off.
 */
const MAX_INBOUND_QOS2 = 100;
/** Of one connection: one that misbehaves shall not fill the log. */
const MAX_LOGGED_REFUSALS = 10;

/** Parts of aedes 1.2.0 that its types leave out. */
interface Internals {
  mq: Emitter & { readonly length: number };
  persistence: { incomingStorePacket(client: Client, packet: object): Promise<void> };
  unregisterClient(client: Client): void;
}

/**
 * aedes behind the project's own matcher: MQTT 3.1.1 over TCP, everything in memory. What a restart loses, the bridge
 * publishes again.
 *
 * Only the service has stored sessions. A device always gets a clean one, also when it asks otherwise: its work is
 * retained, its reports are repeated until acknowledged, and stored sessions would let one device queue without bound.
 * Client ids are known to aedes with the identity in front, so that no client takes over another's connection; within
 * one identity the newest wins.
 * @throws when the address is taken, with a sentence.
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const { log, limits = LIMITS } = options;
  let closing = false;
  // Only the broker sees a connection end that left no last will. Not retained: it tells what happened, and the device
  // may be back.
  const tellGone = ({ tenant, node }: Gone) => {
    if (closing) return;
    const topic = endedTopic(tenant, node);
    aedes.publish({ cmd: 'publish', topic, payload: '{"v":1}', qos: 1, retain: false, dup: false }, (error) => {
      if (error) log.warn({ tenantId: tenant, deviceId: node, err: error }, 'the end of a connection was not told');
    });
  };
  const sessions = new Sessions(tellGone);
  const admitted = new WeakMap<Client, () => void>();
  const [strangers, known] = [new Addresses(limits.perAddress), new Addresses(limits.perAddress)];
  const outgoing = new OutgoingQueues();
  const isBehind = () => internals.mq.length > MAX_DELIVERING;
  const connecting = new Set<Client>();
  // The service does not wait for its own session's queue: only it can make that shorter.
  const holds = {
    service: new BackpressureGate(isBehind),
    device: new BackpressureGate(() => isBehind() || outgoing.length > MAX_UNACKNOWLEDGED),
  };
  const connects = new BackpressureGate(() => isBehind() || connecting.size >= MAX_CONNECTING);
  const tell = (client: Client | undefined, refused: Omit<Refused, 'tenant' | 'node'>) => {
    const identity = client && sessions.of(client)?.admission.identity;
    if (identity?.kind === 'device') options.onRefused?.({ tenant: identity.tenant, node: identity.node, ...refused });
  };
  const rules = guard(
    (client) => sessions.of(client),
    holds,
    (client, what, topic, payload) => {
      const session = sessions.of(client);
      tell(client, { what, topic, ...(payload && { payload }) });
      if (session && ++session.refusals <= MAX_LOGGED_REFUSALS)
        log.warn({ client: client.id, ...aboutOf(session), topic: topic.slice(0, 200) }, `refused: ${what}`);
    },
    paces(limits.messagesPerSecond, (client) => {
      options.onLimit?.('messages');
      const facts = { client: client.id, ...aboutOf(sessions.of(client)) };
      log.warn(facts, `slowed: it sends more than ${limits.messagesPerSecond} messages a second`);
    }),
  );
  const aedes = new Aedes({
    connectTimeout: CONNECT_TIMEOUT_MS,
    drainTimeout: DRAIN_TIMEOUT_MS,
    maxInflightInbound: MAX_INBOUND_QOS2,
    ...admission(
      {
        password: (name, secret) => options.authenticate(name, secret),
        certificate: async (certificate) => (await options.tls?.authenticate?.(certificate)) ?? null,
      },
      (client, admission, go) => {
        if (admission.identity.kind === 'device' && !known.take(client.conn as net.Socket)) {
          options.onLimit?.('perAddress');
          return go(refusal(`there are ${limits.perAddress} connections from its address already`, SERVER_UNAVAILABLE));
        }
        connects.pass(() => {
          if (client.closed) return;
          connecting.add(client);
          client.conn.once('close', () => connecting.delete(client));
          makeRoom(client, admission);
          sessions.add(client, admission);
          admitted.get(client)?.();
          go(undefined);
        });
      },
    ),
    ...rules,
  });
  aedes.on('clientReady', (client) => connecting.delete(client));
  /** For one more of this device, where it takes no other's place. */
  const makeRoom = (next: Client, { identity }: Admission) => {
    if (identity.kind !== 'device') return;
    const open = sessions.ofDevice(identity.tenant, identity.node);
    if (open.some(({ client }) => client.id === next.id)) return;
    for (const { client } of open.slice(0, Math.max(0, open.length + 1 - limits.perDevice))) {
      options.onLimit?.('perDevice');
      tell(client, { what: 'connection', why: `${limits.perDevice} newer connections of this device are open` });
      client.close();
    }
  };
  const internals = aedes as unknown as Internals;
  releaseByTurns(internals.mq);
  await aedes.listen();
  Object.assign(internals.persistence, retainedByNode(), outgoing.methods(), withoutPayload(internals.persistence));
  fence(aedes, internals);
  aedes.on('clientError', (client, error) =>
    'returnCode' in error
      ? log.info({ why: error.message }, 'a client was not let in')
      : log.debug({ client: client.id, ...aboutOf(sessions.of(client)), err: error }, 'a connection broke'),
  );
  aedes.on('connectionError', (_client, error) => log.info({ why: error.message }, 'a client was not let in'));
  (aedes as NodeJS.EventEmitter).on('error', (error: Error) =>
    log.warn({ err: error }, 'the broker failed at a message'),
  );

  const sockets = new Set<net.Socket>();
  /** Counts a stranger by its address, before it costs anything. */
  const takeStranger = (socket: net.Socket): (() => void) | undefined => {
    const left = strangers.take(socket);
    if (left) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      return left;
    }
    options.onLimit?.('perAddress');
    socket.destroy();
    return undefined;
  };
  const takeClient = (socket: net.Socket, left: () => void) => {
    const most = limits.bytesBeforeConnect ?? MAX_STRANGER_BYTES;
    const lift = limitPackets(socket, most, (why, isStranger) => {
      if (isStranger) options.onLimit?.('bytes');
      log.info({ from: socket.remoteAddress, ...aboutOf(sessions.of(client)), why }, 'a client was cut off');
      tell(client, { what: 'packet', why });
    });
    const client: Client = aedes.handle(socket);
    admitted.set(client, () => {
      lift();
      left();
    });
  };
  const plain = net.createServer(SOCKETS, (socket) => {
    const left = takeStranger(socket);
    if (left) takeClient(socket, left);
  });
  const handshakes =
    options.tls &&
    new Handshakes(options.tls.context, limits.handshakes ?? HANDSHAKES, takeClient, log, (socket, why) => {
      options.onLimit?.('handshake');
      log.info({ from: socket.remoteAddress, why }, 'a client was not let in');
    });
  const secure =
    handshakes &&
    net.createServer(SOCKETS, (socket) => {
      const left = takeStranger(socket);
      if (left) handshakes.begin(socket, left);
    });
  const [port, tlsPort] = await Promise.all([
    listen(plain, options, 'SLIPWAY_MQTT_PORT'),
    secure && options.tls && listen(secure, { ...options, port: options.tls.port }, 'SLIPWAY_MQTT_TLS_PORT'),
  ]).catch((error: unknown) => {
    // Its heartbeat would keep the process alive that is told of the failure.
    aedes.close();
    plain.close();
    secure?.close();
    throw error;
  });
  const servers = secure ? [plain, secure] : [plain];
  for (const server of servers)
    server.on('error', (error) => log.warn({ err: error }, 'a connection could not be taken'));
  return {
    port,
    tlsPort,
    renewTls: (context) => handshakes?.renew(context),
    connected: () => [...sessions.open].map((session) => session.admission),
    disconnect(tenant, node, credentialId) {
      for (const { client, admission } of sessions.open) {
        const { identity } = admission;
        const meant = identity.kind === 'device' && identity.tenant === tenant && identity.node === node;
        if (meant && (credentialId === undefined || admission.credentialId === credentialId)) client.close();
      }
    },
    async close() {
      closing = true;
      const stopped = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
      for (const gate of [...Object.values(holds), connects]) gate.close();
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const socket of sockets) socket.destroy();
      await Promise.all(stopped);
    },
  };
}

/** For the log, by the names that every line has for it. */
function aboutOf(session: Session | undefined): object {
  const identity = session?.admission.identity;
  return identity?.kind === 'device' ? { tenantId: identity.tenant, deviceId: identity.node } : {};
}

/**
 * Of a message at QoS 2 that was passed on already, only its identifier is looked at until the handshake ends. aedes
 * keeps all of it: with 1,000 open ones, 64 MB for one connection.
 */
function withoutPayload(persistence: Internals['persistence']): Internals['persistence'] {
  const store = persistence.incomingStorePacket.bind(persistence);
  return {
    incomingStorePacket: (client, packet) =>
      store(client, {
        cmd: 'publish',
        topic: '',
        payload: Buffer.alloc(0),
        messageId: (packet as { messageId: number }).messageId,
      }),
  };
}

/**
 * One connection per client id, also when the old one is closing in the very moment in which the new one registers:
 * aedes then forgets the new one, a third would not end it, and two bridges would publish at the same time.
 */
function fence(aedes: Aedes, internals: Internals): void {
  const newest = new Map<string, Client>();
  aedes.on('client', (client) => {
    const before = newest.get(client.id);
    if (before && before !== client) before.close();
    newest.set(client.id, client);
    // A socket that closed while its password was checked is registered all the same, for ever.
    if (client.closed) internals.unregisterClient(client);
    const forget = () => newest.get(client.id) === client && newest.delete(client.id);
    if (client.conn.destroyed) forget();
    else client.conn.once('close', forget);
  });
}

const SOCKETS = { noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES };

function listen(server: net.Server, { host, port }: { host: string; port: number }, setting: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`${host}:${port} is taken; set ${setting} to another port (0 = any free one)`, {
              cause: error,
            })
          : error,
      ),
    );
    server.listen({ port, host, backlog: BACKLOG }, () => resolve((server.address() as net.AddressInfo).port));
  });
}
