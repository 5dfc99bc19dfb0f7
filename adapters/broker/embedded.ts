import net from 'node:net';
import { Aedes, type AedesOptions, type AuthenticateError, type Client, type ConnectPacket } from 'aedes';
import { guard, type Admission, type RefusedAct } from './guard.js';
import { BackpressureGate, MAX_DELIVERING, MAX_UNACKNOWLEDGED } from './backpressure-gate.js';
import { limitPackets } from './packet-limits.js';
import { OutgoingQueues } from './outgoing.js';
import { retainedByNode } from './retained.js';
import { Sessions, type Gone, type Session } from './sessions.js';
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
}

/** `packet`: one that is over the limit, of which nothing is known but its beginning; the connection was cut. */
export interface Refused {
  readonly tenant: string;
  readonly node: string;
  readonly what: RefusedAct | 'packet';
  readonly topic?: string;
  readonly payload?: Buffer;
  /** Of `packet`: which limit. */
  readonly why?: string;
}

/** A broker that runs in this process; `port` is the one that it has got. */
export interface EmbeddedBroker {
  readonly port: number;
  /** Who is connected, and by which credential. One entry per connection. */
  connected(): Admission[];
  /** Ends the connections of a node: all, or those that came in by one credential. Their last wills are sent. */
  disconnect(tenant: string, node: string, credentialId?: string): void;
  close(): Promise<void>;
}

/** For CONNECT to arrive, and for its password to be checked. */
const CONNECT_TIMEOUT_MS = 10_000;
/** A service that reads nothing for so long is cut off; until then its publishers wait. */
const DRAIN_TIMEOUT_MS = 20_000;
/**
 * Per socket. aedes stops a delivery slot (100 in all) for every write above it, so that few slow devices would stop
 * the broker.
 */
const SOCKET_BUFFER_BYTES = 128 * 1024;
/** Of one connection: one that misbehaves shall not fill the log. */
const MAX_LOGGED_REFUSALS = 10;
const SERVER_UNAVAILABLE = 3;
const BAD_CREDENTIALS = 4;

/** Parts of aedes 1.2.0 that its types leave out. */
interface Internals {
  mq: { readonly length: number };
  persistence: object;
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
  const { log } = options;
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
  const packetLimits = new WeakMap<Client, () => void>();
  const outgoing = new OutgoingQueues();
  const isBehind = () => internals.mq.length > MAX_DELIVERING;
  // The service does not wait for its own session's queue: only it can make that shorter.
  const holds = {
    service: new BackpressureGate(isBehind),
    device: new BackpressureGate(() => isBehind() || outgoing.length > MAX_UNACKNOWLEDGED),
  };
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
  );
  const aedes = new Aedes({
    connectTimeout: CONNECT_TIMEOUT_MS,
    drainTimeout: DRAIN_TIMEOUT_MS,
    ...admission(options, sessions, packetLimits),
    ...rules,
  });
  const internals = aedes as unknown as Internals;
  await aedes.listen();
  Object.assign(internals.persistence, retainedByNode(), outgoing.methods());
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
  const server = net.createServer({ noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES }, (socket) => {
    sockets.add(socket);
    const admitted = limitPackets(socket, (why) => {
      log.info({ from: socket.remoteAddress, ...aboutOf(sessions.of(client)), why }, 'a client was cut off');
      tell(client, { what: 'packet', why });
    });
    const client: Client = aedes.handle(socket);
    packetLimits.set(client, admitted);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listen(server, options).catch((error: unknown) => {
    // Its heartbeat would keep the process alive that is told of the failure.
    aedes.close();
    throw error;
  });
  server.on('error', (error) => log.warn({ err: error }, 'a connection could not be taken'));
  return {
    port,
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
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const hold of Object.values(holds)) hold.close();
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const socket of sockets) socket.destroy();
      await stopped;
    },
  };
}

/** For the log, by the names that every line has for it. */
function aboutOf(session: Session | undefined): object {
  const identity = session?.admission.identity;
  return identity?.kind === 'device' ? { tenantId: identity.tenant, deviceId: identity.node } : {};
}

/**
 * Who a client is, settled before aedes looks at its session: from then on the client's id is its own within its
 * identity.
 */
function admission(
  options: EmbeddedBrokerOptions,
  sessions: Sessions,
  packetLimits: WeakMap<Client, () => void>,
): Required<Pick<AedesOptions, 'preConnect' | 'authenticate'>> {
  const connects = new WeakMap<Client, ConnectPacket>();
  return {
    preConnect(client, packet, done) {
      connects.set(client, packet);
      done(null, true);
    },
    authenticate(client, username, password, done) {
      void admit(options, username, password).then((found) => {
        if (client.closed) return;
        if (!('identity' in found)) return done(found, false);
        const { identity } = found;
        const writable = client as { id: string; clean: boolean };
        writable.id = `${identity.kind === 'service' ? 'service' : `device/${identity.tenant}/${identity.node}`}/${client.id}`;
        const packet = connects.get(client);
        if (identity.kind === 'device') writable.clean = true;
        if (identity.kind === 'device' && packet) packet.clean = true;
        sessions.add(client, found);
        packetLimits.get(client)?.();
        done(null, true);
      });
    },
  };
}

async function admit(
  options: EmbeddedBrokerOptions,
  username: string | undefined,
  password: Buffer | undefined,
): Promise<Admission | AuthenticateError> {
  if (username === undefined || password === undefined)
    return refusal('a user name and a password are needed', BAD_CREDENTIALS);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>(
    (_resolve, reject) =>
      (timer = setTimeout(reject, CONNECT_TIMEOUT_MS, new Error('the password was not checked in time')).unref()),
  );
  try {
    const found = await Promise.race([options.authenticate(username, password.toString('utf8')), late]);
    return found ?? refusal(`bad user name or password for ${JSON.stringify(username.slice(0, 130))}`, BAD_CREDENTIALS);
  } catch (error) {
    return refusal(
      `the password of ${JSON.stringify(username.slice(0, 130))} cannot be checked now: ${(error as Error).message}`,
      SERVER_UNAVAILABLE,
    );
  } finally {
    clearTimeout(timer);
  }
}

function refusal(sentence: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(sentence), { returnCode });
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

function listen(server: net.Server, { host, port }: EmbeddedBrokerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`${host}:${port} is taken; set SLIPWAY_MQTT_PORT to another port (0 = any free one)`, {
              cause: error,
            })
          : error,
      ),
    );
    server.listen(port, host, () => resolve((server.address() as net.AddressInfo).port));
  });
}
