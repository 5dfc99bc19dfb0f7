import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type MqttClient } from 'mqtt';
import { print, type Printable } from '../../protocol/mqtt/payloads.js';
import { backOff, type BackOffBounds } from '../../domain/back-off.js';
import type { Clock } from './clock.js';
import { deviceFilter, upTopic, type UpType } from '../../protocol/mqtt/topics.js';
import { messageOf } from './write-file.js';

/** A report that is to be published on the topic of its type. */
export interface Outgoing {
  readonly type: UpType;
  readonly body: Printable;
}

/** Credentials and identity are those of docs/contracts/device-mqtt.md, "Credentials". */
export interface ConnectionOptions {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly tenant: string;
  readonly node: string;
  /** Between two tries to connect. */
  readonly reconnect: BackOffBounds;
  /** How long the answer to the SUBSCRIBE is waited for, milliseconds. */
  readonly subscribed: number;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What the connection calls; each may come any number of times. */
export interface ConnectionEvents {
  /** Subscribed: whatever is retained for this device arrives from now on. */
  readonly connected: () => void;
  readonly disconnected: (reason: string) => void;
  readonly message: (topic: string, payload: Uint8Array) => void;
}

const KEEPALIVE_S = 30;
const CONNECT_TIMEOUT_MS = 10_000;
/** A broker that does not take the goodbye in this time sends the last will, which says the same. */
const GOODBYE_MS = 2_000;
/** How long the end of the connection is waited for after that. */
const END_MS = 1_000;
/** A connection that lived this long was a good one: the next try to connect is the first again. */
const STABLE_MS = 10_000;

/**
 * The device's connection to the broker: MQTT 3.1.1, a clean session (documents are retained), and a last will. The
 * will bears the session of *this* connection and counts only for the newest, so each connection is a client of its own
 * instead of one that reconnects with the will of its predecessor. What was under way when a connection broke is not
 * sent again here: the agent says what still matters after each connect.
 */
export class Connection {
  private client: MqttClient | undefined;
  private session = '';
  private isUp = false;
  private isClosed = false;
  private failures = 0;
  private upSince = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly underway = new Set<Promise<void>>();

  constructor(
    private readonly options: ConnectionOptions,
    private readonly events: ConnectionEvents,
  ) {}

  get connected(): boolean {
    return this.isUp;
  }

  open(): void {
    const { url, username, password, node } = this.options;
    this.session = randomUUID();
    const client = connect(url, {
      username,
      password,
      clientId: `${node}-${this.session.slice(0, 8)}`,
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_S,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectPeriod: 0, // a new client each time, after our own pause
      will: { topic: this.topic('presence'), payload: print(this.presence(false)), qos: 1, retain: true },
    });
    this.client = client;
    let reason = 'the connection closed';
    client.on('error', (error) => (reason = messageOf(error)));
    client.on('message', (topic, payload) => this.events.message(topic, payload));
    client.on('connect', () =>
      this.subscribe(client, (why) => {
        reason = why;
        client.stream.destroy();
      }),
    );
    client.once('close', () => this.lost(client, reason));
  }

  /**
   * @param device the node itself, or a child that it acts for
   * @returns when the broker has it; at once where there is no connection. What matters is repeated until the service
   * answers.
   */
  async send({ type, body }: Outgoing, device = this.options.node): Promise<void> {
    const { client } = this;
    if (!client || !this.isUp) return;
    const sent = new Promise<void>((done) => {
      client.publish(
        this.topic(type, device),
        print(body),
        { qos: type === 'progress' ? 0 : 1, retain: type === 'presence' },
        () => done(),
      );
    });
    this.underway.add(sent);
    await sent;
    this.underway.delete(sent);
  }

  /** Waits until the broker has all that was sent, at most so many milliseconds. */
  async drained(deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((done) => (timer = setTimeout(done, deadlineMs)));
    await Promise.race([Promise.all(this.underway), deadline]);
    clearTimeout(timer);
  }

  /** As when the cable is pulled: the broker sends the last will. It connects again by itself. */
  cut(): void {
    this.client?.stream.destroy();
  }

  /** @param how `goodbye` says that the device goes offline; `powerless` leaves that to the last will. */
  async close(how: 'goodbye' | 'powerless'): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.timer);
    const { client, isUp } = this;
    if (!client) return;
    if (how === 'goodbye' && isUp) {
      void this.send({ type: 'presence', body: this.presence(false) });
      await this.drained(GOODBYE_MS);
    }
    this.isUp = false;
    // A broker that answers nothing any more must not keep the agent.
    if (how === 'goodbye' && client.connected)
      await Promise.race([client.endAsync(), pause(END_MS, undefined, { ref: false })]);
    client.stream.destroy();
    client.end(true);
  }

  /** @param giveUp ends this connection, with the reason that is told */
  private subscribe(client: MqttClient, giveUp: (why: string) => void): void {
    const { tenant, node, subscribed } = this.options;
    // Neither the protocol nor the client ends this wait: keep-alives go on, and nothing ever arrives.
    const unanswered = setTimeout(
      () => giveUp(`the broker did not answer the SUBSCRIBE for ${subscribed} ms`),
      subscribed,
    );
    client.once('close', () => clearTimeout(unanswered));
    client.subscribe(deviceFilter(tenant, node), { qos: 1 }, (error) => {
      clearTimeout(unanswered);
      if (this.isClosed || this.client !== client) return;
      if (error) return giveUp(`the broker refused the SUBSCRIBE: ${messageOf(error)}`);
      this.isUp = true;
      this.upSince = this.options.clock.monotonic();
      void this.send({ type: 'presence', body: this.presence(true) });
      this.events.connected();
    });
  }

  private lost(client: MqttClient, reason: string): void {
    const wasStable = this.isUp && this.options.clock.monotonic() - this.upSince > STABLE_MS;
    this.isUp = false;
    client.end(true);
    this.underway.clear();
    if (this.isClosed) return;
    this.failures = wasStable ? 0 : this.failures + 1;
    this.events.disconnected(reason);
    const { reconnect, random } = this.options;
    this.timer = setTimeout(() => this.open(), backOff(this.failures, reconnect, random()));
  }

  private presence(online: boolean) {
    return { v: 1 as const, online, session: this.session, at: this.options.clock.now() };
  }

  private topic(type: UpType, device = this.options.node): string {
    const { tenant, node } = this.options;
    return upTopic({ tenant, node, device }, type);
  }
}
