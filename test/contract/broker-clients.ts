import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { connectMqtt, type MqttConnection, type MqttMessage } from '../../bridge/mqtt/connection.js';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What the contract needs of a broker, whichever it is. */
export interface BrokerUnderTest {
  readonly url: string;
  readonly service: Login;
  /** Makes a valid password of a device. */
  device(tenant: string, node: string): Promise<Login>;
  /** Revokes it: connections that came in by it end. */
  revoke(login: Login): Promise<void>;
  /** Ends it in good order and starts it again, at the same address. */
  restart(): Promise<void>;
  /**
   * Sessions, their messages and retained documents outlive a restart. Where they do not, the service must be able to
   * tell.
   */
  readonly keepsOverRestart: boolean;
  close(): Promise<void>;
}

/** Waits for a condition. @throws with what was waited for. */
export async function eventually(what: string, holds: () => boolean, ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; !holds(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
  }
}

/** A device as one would write it: MQTT.js, no reconnect, so that a test sees what the broker does. */
export class DeviceClient {
  readonly heard: { topic: string; text: string; retain: boolean }[] = [];
  closed = false;

  private constructor(readonly client: MqttClient) {
    client.on('message', (topic, payload, packet) =>
      this.heard.push({ topic, text: payload.toString(), retain: packet.retain }),
    );
    client.on('close', () => (this.closed = true));
    // MQTT.js throws errors without a listener; a broken connection is what some tests are about.
    client.on('error', () => (this.closed = true));
  }

  static async connect(url: string, login: Partial<Login>, options: IClientOptions = {}): Promise<DeviceClient> {
    const client = await mqtt.connectAsync(
      url,
      { ...login, reconnectPeriod: 0, connectTimeout: 5_000, ...options },
      false,
    );
    return new DeviceClient(client);
  }

  /** @returns what was granted; 128 where it was refused, as MQTT.js makes an error of that. */
  subscribe(filter: string): Promise<number> {
    return new Promise((resolve) =>
      this.client.subscribe(filter, { qos: 1 }, (error, granted) => resolve(error ? 128 : (granted?.[0]?.qos ?? 128))),
    );
  }

  async publish(topic: string, text: string, options: { qos?: 0 | 1 | 2; retain?: boolean } = {}): Promise<void> {
    await this.client.publishAsync(topic, text, { qos: 1, ...options });
  }

  texts(): string[] {
    return this.heard.map((message) => message.text);
  }

  /** Without a DISCONNECT: the last will is due. */
  cut(): void {
    this.client.stream.destroy();
  }

  /** With a DISCONNECT: the last will is void. */
  async leave(): Promise<void> {
    await this.client.endAsync();
  }

  async end(): Promise<void> {
    await this.client.endAsync(true);
  }
}

/** The service as the bridge connects. Acknowledges at once unless told otherwise. */
export class ServiceClient {
  readonly heard: MqttMessage[] = [];
  ended: Error | undefined | 'open' = 'open';

  private constructor(
    readonly connection: MqttConnection,
    acknowledges: boolean,
  ) {
    connection.onMessage((message) => {
      this.heard.push(message);
      if (acknowledges) message.acknowledge();
    });
    void connection.closed.then((error) => (this.ended = error));
  }

  static async connect(
    url: string,
    login: Login,
    options: { clientId?: string; clean?: boolean; acknowledges?: boolean } = {},
  ): Promise<ServiceClient> {
    const { clientId = `test-${Math.random().toString(36).slice(2)}`, clean = true, acknowledges = true } = options;
    return new ServiceClient(
      await connectMqtt({
        url,
        ...login,
        clientId,
        clean,
        keepaliveSeconds: 10,
        connectTimeoutMs: 5_000,
        maxPacketSize: 64 * 1024,
      }),
      acknowledges,
    );
  }

  texts(): string[] {
    return this.heard.map((message) => message.payload.toString());
  }

  async end(): Promise<void> {
    this.connection.end();
    await this.connection.closed;
  }
}
