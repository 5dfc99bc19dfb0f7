import { randomUUID } from 'node:crypto';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { until } from '../support/until.js';

/** JSON as it came. */
export type Payload = Record<string, unknown>;

export interface Heard {
  topic: string;
  retain: boolean;
  /** null = an empty payload. */
  json: Payload | null;
}

/**
 * A device, or a gateway, as an engineer writes it who has only read the protocol: MQTT.js, topics and payloads by
 * hand, nothing of ours. It answers nothing by itself.
 */
export class HandMadeDevice {
  readonly heard: Heard[] = [];
  readonly session: string = randomUUID();
  private client: MqttClient | undefined;
  private seq = 0;

  constructor(
    private readonly url: string,
    private readonly tenant: string,
    readonly id: string,
    private readonly password = 'secret',
  ) {}

  async connect(options: IClientOptions = {}): Promise<this> {
    const will = {
      topic: this.topic('up/presence'),
      payload: Buffer.from(JSON.stringify({ v: 1, online: false, session: this.session })),
      qos: 1 as const,
      retain: true,
    };
    this.client = await mqtt.connectAsync(
      this.url,
      {
        username: `${this.tenant}/${this.id}`,
        password: this.password,
        reconnectPeriod: 0,
        connectTimeout: 5_000,
        will,
        ...options,
      },
      false,
    );
    this.client.on('error', () => undefined);
    this.client.on('message', (topic, payload, { retain }) =>
      this.heard.push({
        topic,
        retain,
        json: payload.length === 0 ? null : (JSON.parse(payload.toString()) as Payload),
      }),
    );
    await this.client.subscribeAsync(`slipway/v1/${this.tenant}/${this.id}/+/down/#`, { qos: 1 });
    return this;
  }

  topic(rest: string, device = this.id): string {
    return `slipway/v1/${this.tenant}/${this.id}/${device}/${rest}`;
  }

  async send(topic: string, payload: string | object, options: { qos?: 0 | 1; retain?: boolean } = {}): Promise<void> {
    await this.client!.publishAsync(topic, typeof payload === 'string' ? payload : JSON.stringify(payload), {
      qos: 1,
      ...options,
    });
  }

  async sendBytes(topic: string, payload: Buffer): Promise<void> {
    await this.client!.publishAsync(topic, payload, { qos: 1 });
  }

  /** A status about this desired document; `seq` rises by itself. @returns what its receipt will be `for`. */
  async status(
    document: Payload,
    state: string,
    more: Record<string, unknown> = {},
    device = this.id,
  ): Promise<string> {
    this.seq += 1;
    const body = {
      v: 1,
      installationId: document['installationId'],
      attempt: document['attempt'],
      seq: this.seq,
      revision: document['revision'],
      slot: document['slot'],
      at: new Date().toISOString(),
      state,
      ...more,
    };
    await this.send(this.topic('up/status', device), body);
    return [body.installationId, body.attempt, body.seq].join('/');
  }

  /** @returns its msgId */
  async hello(slots: Record<string, object>, more: Record<string, unknown> = {}, device = this.id): Promise<string> {
    const msgId = randomUUID();
    await this.send(this.topic('up/hello', device), {
      v: 1,
      msgId,
      at: Date.now(),
      agent: { name: 'hand made', version: '0.0.1' },
      slots,
      ...more,
    });
    return msgId;
  }

  async presence(online: boolean, session = this.session): Promise<void> {
    await this.send(this.topic('up/presence'), { v: 1, online, session, at: Date.now() }, { retain: true });
  }

  /** Waits for a document of this slot that is none of `notThis`. */
  desired(device = this.id, slot = 'firmware', is: (document: Payload) => boolean = () => true): Promise<Payload> {
    const topic = this.topic(`down/desired/${slot}`, device);
    return until(
      `a document on ${topic}`,
      () => this.heard.findLast((one) => one.topic === topic && one.json !== null && is(one.json))?.json,
    );
  }

  /** Waits until the document of this slot was cleared, after it had been there. */
  cleared(device = this.id, slot = 'firmware'): Promise<true> {
    const topic = this.topic(`down/desired/${slot}`, device);
    return until(
      `an empty document on ${topic}`,
      () => this.heard.findLast((one) => one.topic === topic)?.json === null,
    );
  }

  ack(what: string, device = this.id): Promise<Payload> {
    const topic = this.topic('down/ack', device);
    return until(
      `a receipt for ${what} on ${topic}`,
      () => this.heard.find((one) => one.topic === topic && one.json?.['for'] === what)?.json,
    );
  }

  cmd(name: string, device = this.id): Promise<Payload> {
    const topic = this.topic('down/cmd', device);
    return until(
      `the command ${name} on ${topic}`,
      () => this.heard.find((one) => one.topic === topic && one.json?.['cmd'] === name)?.json,
    );
  }

  /** Without a DISCONNECT: the last will is due. */
  cut(): void {
    this.client?.stream.destroy();
  }

  async end(): Promise<void> {
    await this.client?.endAsync(true);
  }
}
