import net from 'node:net';
import tls from 'node:tls';
import { generate, parser, type Packet } from 'mqtt-packet';
import { Frames } from '../../protocol/mqtt/frames.js';
import { Inbox, type MqttMessage } from './inbox.js';
import { Window } from './window.js';

export type { MqttMessage } from './inbox.js';

/** How the service connects; it speaks MQTT 3.1.1. */
export interface MqttOptions {
  /** mqtt://host[:1883] or mqtts://host[:8883] */
  url: string;
  username?: string;
  password?: string;
  /** Of mqtts: ca, cert, key, servername … as node:tls takes them. */
  tls?: tls.ConnectionOptions;
  clientId: string;
  /** false = the broker keeps subscriptions and QoS 1 messages while this client is away. */
  clean: boolean;
  keepaliveSeconds: number;
  /** For all of it: name, TCP, TLS, CONNACK. */
  connectTimeoutMs: number;
  /** Bytes; a larger packet from the broker ends the connection. */
  maxPacketSize: number;
}

/**
 * The broker answered CONNECT with a refusal. `returnCode` as in MQTT 3.1.1 §3.2.2.3: 3 = away, 4 and 5 = the
 * credentials.
 */
export class MqttRefused extends Error {
  override readonly name = 'MqttRefused';
  constructor(readonly returnCode: number) {
    super(`the broker refused the connection: ${RETURN_CODES[returnCode] ?? `return code ${returnCode}`}`);
  }
}
const RETURN_CODES: Record<number, string> = {
  1: 'it does not speak MQTT 3.1.1',
  2: 'it does not take this client id',
  3: 'it is unavailable; try again',
  4: 'bad user name or password',
  5: 'not authorized; check MQTT_USERNAME and MQTT_PASSWORD',
};

/** As mosquitto's own window is configured for Slipway (`max_inflight_messages 1000`). */
const MAX_IN_FLIGHT = 1_000;
/** A few hundred bytes each: 20,000 are some megabytes. Who publishes faster than the broker takes is told so. */
const MAX_QUEUED = 20_000;
/** Two batches of the ingester with room between: it never waits for messages, and a burst stays in the broker. */
const UNACKNOWLEDGED = { high: 2_000, low: 1_000 };
/** A broker that holds a publish this long is as good as gone: the connection ends and its owner decides. */
const ANSWER_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 1_000;
/** So often is the broker asked whether it is there; what people read of it is as old as this at most. */
const PING_EVERY_MS = 2_000;

/**
 * Connects once. Nothing here reconnects: the owner holds a lease, and only it knows whether it still may.
 * @throws MqttRefused, or an Error that says what failed within `connectTimeoutMs`.
 */
export async function connectMqtt(options: MqttOptions): Promise<MqttConnection> {
  const connection = new MqttConnection(options);
  await connection.ready;
  return connection;
}

/**
 * One MQTT 3.1.1 connection with QoS 0 and 1. It exists because MQTT.js acknowledges one message at a time: with a
 * database commit before each PUBACK, commit latency would bound the rate. Here any number may be open, and PUBACKs
 * leave in order. It is connecting, open, or closed; once closed it stays so.
 */
export class MqttConnection {
  /** Settles when CONNACK came, or did not. */
  readonly ready: Promise<void>;
  /** Resolves once: with what broke the connection, or with undefined when `end()` is through. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  /** The broker still had the session: stored subscriptions stand, and what came meanwhile is being delivered. */
  sessionPresent = false;

  private readonly socket: net.Socket;
  private readonly window = new Window<readonly number[]>({ inFlight: MAX_IN_FLIGHT, queued: MAX_QUEUED });
  private readonly inbox = new Inbox(UNACKNOWLEDGED, {
    acknowledge: (ids) => this.sendAll(ids.map((messageId) => ({ cmd: 'puback', messageId }))),
    pause: () => this.pauseReading(true),
    resume: () => this.pauseReading(false),
  });
  private mode: 'connecting' | 'open' | 'closed' = 'connecting';
  private opened: () => void = () => undefined;
  private failed: (error: Error) => void = () => undefined;
  private over: (error: Error | undefined) => void = () => undefined;
  private timer: NodeJS.Timeout;
  private paused = false;
  private readingSince = performance.now();
  /** performance.now() of the PINGREQ that has had no answer; any byte that arrives answers it. */
  private pingSentAt: number | undefined;

  constructor(private readonly options: MqttOptions) {
    this.ready = new Promise((resolve, reject) => ([this.opened, this.failed] = [resolve, reject]));
    this.closed = new Promise((resolve) => (this.over = resolve));
    this.socket = openSocket(options, () => this.sayHello());
    this.timer = setTimeout(
      () => this.close(new Error(`no connection to ${options.url} within ${options.connectTimeoutMs} ms`)),
      options.connectTimeoutMs,
    );
    this.read();
    this.socket.on('drain', () => this.window.stall(false));
    this.socket.on('error', (error) =>
      this.close(new Error(`the connection to ${options.url} broke: ${error.message}`, { cause: error })),
    );
    this.socket.on('close', () => this.close(new Error(`the broker at ${options.url} closed the connection`)));
  }

  /**
   * One handler, given once. What arrived before it is handed over at once. A handler that throws ends the connection.
   */
  onMessage(handler: (message: MqttMessage) => void): void {
    this.guard(() => this.inbox.listen(handler));
  }

  /**
   * QoS 1: resolves at PUBACK. QoS 0: resolves when the bytes were handed to the system.
   * @throws when the connection closes first: then it may or may not have arrived.
   */
  async publish(
    topic: string,
    payload: Buffer | string,
    { qos, retain }: { qos: 0 | 1; retain: boolean },
  ): Promise<void> {
    this.assertOpen();
    const packet = { cmd: 'publish', topic, payload, qos, retain, dup: false } as const;
    if (qos === 1) return void (await this.window.request((messageId) => this.send({ ...packet, messageId })));
    await new Promise<void>((resolve, reject) =>
      this.socket.write(generate(packet), (error) => (error ? reject(error) : resolve())),
    );
  }

  /**
   * @returns what was granted to each, in order: 0, 1, or 128 = refused. mosquitto grants what it will never deliver.
   */
  async subscribe(filters: readonly { filter: string; qos: 0 | 1 }[]): Promise<readonly number[]> {
    this.assertOpen();
    const subscriptions = filters.map(({ filter, qos }) => ({ topic: filter, qos }));
    return this.window.request((messageId) => this.send({ cmd: 'subscribe', messageId, subscriptions }));
  }

  /**
   * Says goodbye (no last will) and closes; `closed` tells when. What is not acknowledged by then comes again, or
   * rejects.
   */
  end(): void {
    if (this.mode !== 'open') return this.close(new Error('the connection was ended before it stood'));
    this.inbox.flush();
    const deadline = setTimeout(() => this.socket.destroy(), END_TIMEOUT_MS);
    this.socket.once('close', () => {
      clearTimeout(deadline);
      this.over(undefined);
    });
    this.close(undefined);
    this.socket.resume();
    this.socket.end(generate({ cmd: 'disconnect' }));
  }

  /**
   * For how long the broker has left a ping unanswered, in milliseconds; 0 while it answers, or while we do not read.
   */
  unansweredMs(): number {
    return this.paused || this.pingSentAt === undefined ? 0 : performance.now() - this.pingSentAt;
  }

  private sayHello(): void {
    const { clientId, clean, keepaliveSeconds: keepalive, username, password } = this.options;
    const login = {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: Buffer.from(password) }),
    };
    this.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean, keepalive, ...login });
  }

  private read(): void {
    const frames = new Frames(this.options.maxPacketSize);
    const packets = parser({ protocolVersion: 4 });
    packets.on('packet', (packet) => this.mode !== 'closed' && this.guard(() => this.receive(packet)));
    packets.on('error', (error: Error) =>
      this.close(new Error(`the broker sent what is not MQTT: ${error.message}`, { cause: error })),
    );
    this.socket.on('data', (chunk) => {
      this.pingSentAt = undefined;
      const fault = frames.accept(chunk);
      if (fault !== undefined) this.close(new Error(`the broker sent too much: ${fault}`));
      else packets.parse(chunk);
    });
  }

  private receive(packet: Packet): void {
    const id = packet.messageId ?? 0;
    switch (packet.cmd) {
      case 'connack':
        return this.mode === 'connecting'
          ? this.welcome(packet.returnCode ?? 0, packet.sessionPresent)
          : this.close(new Error('a second CONNACK'));
      case 'publish': {
        const { topic, payload, qos, retain, dup } = packet;
        if (qos === 2) return this.close(new Error('a message of QoS 2, which nothing here subscribed to'));
        return this.inbox.arrive({ messageId: id, topic, payload: Buffer.from(payload), qos, retain, dup });
      }
      case 'puback':
        return void this.window.answer(id, []);
      case 'suback':
        return void this.window.answer(id, packet.granted as number[]);
      case 'pingresp':
        return undefined;
      default:
        return this.close(new Error(`a broker does not send ${packet.cmd}`));
    }
  }

  private welcome(returnCode: number, sessionPresent: boolean): void {
    if (returnCode !== 0) return this.close(new MqttRefused(returnCode));
    this.mode = 'open';
    this.sessionPresent = sessionPresent;
    clearTimeout(this.timer);
    this.timer = setInterval(() => this.look(), Math.min(PING_EVERY_MS, this.answerWithinMs()));
    this.opened();
  }

  /** Is the broker still there? While we do not read, its silence says nothing. */
  private look(): void {
    if (this.unansweredMs() >= this.answerWithinMs()) return this.close(new Error('the broker did not answer a ping'));
    const silence = this.paused ? 0 : Math.min(this.window.oldest(), performance.now() - this.readingSince);
    if (silence > ANSWER_TIMEOUT_MS)
      return this.close(new Error(`the broker left a message unanswered for ${ANSWER_TIMEOUT_MS} ms`));
    // While we do not read, pings go on: they tell the broker that we are here.
    if (!this.paused && this.pingSentAt !== undefined) return;
    this.pingSentAt = performance.now();
    this.send({ cmd: 'pingreq' });
  }

  /** Half of the keepalive: a broker that is silent for all of it ends the connection itself. */
  private answerWithinMs(): number {
    return (Math.max(1, this.options.keepaliveSeconds) * 1_000) / 2;
  }

  private pauseReading(paused: boolean): void {
    if (this.paused === paused || this.mode === 'closed') return;
    this.paused = paused;
    // An answer to a ping may be waiting behind what we did not read.
    this.pingSentAt = undefined;
    this.readingSince = performance.now();
    if (paused) this.socket.pause();
    else this.socket.resume();
  }

  private send(packet: Packet): void {
    if (this.mode !== 'closed' && !this.socket.write(generate(packet))) this.window.stall(true);
  }

  /** In one piece: PUBACKs of a batch are one write instead of hundreds. */
  private sendAll(packets: readonly Packet[]): void {
    if (this.mode !== 'closed' && packets.length > 0)
      this.socket.write(Buffer.concat(packets.map((packet) => generate(packet))));
  }

  private assertOpen(): void {
    if (this.mode !== 'open') throw new Error(`the connection to ${this.options.url} is ${this.mode}`);
  }

  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.close(new Error('the handler of a message failed', { cause: error }));
    }
  }

  private close(error: Error | undefined): void {
    if (this.mode === 'closed') return;
    this.mode = 'closed';
    clearTimeout(this.timer);
    const reason = error ?? new Error('the connection was ended');
    this.window.close(reason);
    this.failed(reason);
    if (!error) return;
    this.socket.destroy();
    this.over(error);
  }
}

function openSocket(options: MqttOptions, connected: () => void): net.Socket {
  const url = new URL(options.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol === 'mqtt:') return net.connect({ host, port: Number(url.port || 1883), noDelay: true }, connected);
  if (url.protocol !== 'mqtts:')
    throw new Error(`"${options.url}" is no broker's address: mqtt://host:1883 or mqtts://host:8883`);
  const name = net.isIP(host) === 0 ? { servername: host } : {};
  return tls.connect({ host, port: Number(url.port || 8883), ...name, ...options.tls }, connected);
}

/**
 * What this needs of the connection to the broker: resolves once the broker has it. @throws LeaseLost where the tenure
 * is over.
 */
export type Publish = (topic: string, payload: Buffer, options: { qos: 0 | 1; retain: boolean }) => Promise<void>;

/**
 * Connects under the bridge's one client id: the broker's take-over ends a connection that a stalled leader still
 * holds.
 */
export type ConnectBroker = () => Promise<MqttConnection>;
