import { createHash, randomUUID } from 'node:crypto';
import { connect, type MqttClient } from 'mqtt';
import { request, type Dispatcher } from 'undici';
import { parseUsername } from '../protocol/mqtt/access.js';
import {
  print,
  statusReceipt,
  type Ack,
  type Cmd,
  type Desired,
  type HeldSlot,
  type Printable,
  type ReportedState,
} from '../protocol/mqtt/payloads.js';
import { deviceFilter, parseTopic, upTopic, type Address } from '../protocol/mqtt/topics.js';
import { SLOT, type Login } from './messages.js';

export interface LeanDeviceOptions {
  readonly url: string;
  readonly login: Login;
  readonly answer: 'install' | 'ignore';
  readonly dispatcher: Dispatcher;
  /** Each time that the receipt for the newest hello came. */
  readonly greeted: () => unknown;
  readonly documentArrived: (deviceId: string) => void;
  readonly fault: (detail: string) => void;
}

const KEEPALIVE_S = 60;
const RECONNECT_MS = 1_000;
/**
 * "The device repeats until it sees the receipt": rarely needed, and never so often that it would be load of its own.
 */
const REPEAT_MS = 10_000;

/**
 * A device as the protocol wants it (docs/contracts/device-mqtt.md, "Normal") and nothing more: a real connection, a
 * real download, a real hash; no disk, no progress, and its reboot takes no time and keeps the connection. The
 * reference agent would cost more than what is measured.
 */
export class LeanDevice {
  private readonly client: MqttClient;
  private readonly address: Address;
  private held: HeldSlot = { version: null, sha256: null, installationId: null, revision: 0, confirmed: true };
  private hello = '';
  private unacknowledged: { receipt: string; timer: NodeJS.Timeout } | undefined;

  constructor(private readonly options: LeanDeviceOptions) {
    const {
      url,
      login: { username, password },
    } = options;
    const { tenant, node } = parseUsername(username)!;
    this.address = { tenant, node, device: node };
    this.client = connect(url, {
      username,
      password,
      clientId: node,
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_S,
      reconnectPeriod: RECONNECT_MS,
    });
    this.client.on('connect', () =>
      this.client.subscribe(deviceFilter(tenant, node), { qos: 1 }, (error) =>
        error ? options.fault(error.message) : void this.greet(),
      ),
    );
    this.client.on('message', (topic, payload) => this.receive(topic, payload));
    this.client.on('error', (error) => options.fault(error.message));
  }

  private receive(topic: string, payload: Buffer): void {
    const parsed = parseTopic(topic);
    if (parsed?.direction !== 'down' || payload.length === 0) return;
    if (parsed.type === 'ack') this.acknowledged(JSON.parse(payload.toString()) as Ack);
    if (parsed.type === 'cmd' && (JSON.parse(payload.toString()) as Cmd).cmd === 'hello') void this.greet();
    if (parsed.type === 'desired') this.desired(JSON.parse(payload.toString()) as Desired);
  }

  private acknowledged({ for: receipt }: Ack): void {
    if (receipt === this.hello) this.options.greeted();
    if (receipt !== this.unacknowledged?.receipt) return;
    clearInterval(this.unacknowledged.timer);
    this.unacknowledged = undefined;
  }

  private desired(desired: Desired): void {
    if (desired.revision <= this.held.revision) return;
    this.held = { ...this.held, revision: desired.revision };
    this.options.documentArrived(this.address.device);
    if (this.options.answer === 'install')
      this.install(desired).catch((error: Error) => this.options.fault(error.message));
  }

  private async install(desired: Desired): Promise<void> {
    const { installationId, attempt, revision, slot, firmware } = desired;
    let seq = 0;
    const status = (state: ReportedState) => ({
      v: 1 as const,
      installationId,
      attempt,
      revision,
      slot,
      seq: (seq += 1),
      at: Date.now(),
      state,
    });
    await this.send('status', status('accepted'));
    await this.send('status', status('downloading'));
    const digest = await this.download(desired.download.url);
    if (digest !== firmware.sha256) throw new Error(`installation ${installationId}: a download with a wrong hash`);
    await this.send('status', status('downloaded'));
    await this.send('status', status('installing'));
    await this.send('status', status('rebooting'));
    this.held = { version: firmware.version, sha256: digest, installationId, revision, confirmed: true };
    await this.greet();
    const last = { ...status('installed'), version: firmware.version };
    const say = () => void this.send('status', last);
    this.unacknowledged = { receipt: statusReceipt(last), timer: setInterval(say, REPEAT_MS) };
    say();
  }

  private async download(url: string): Promise<string> {
    const { statusCode, body } = await request(url, { dispatcher: this.options.dispatcher });
    if (statusCode !== 200)
      throw new Error(`a download was answered with ${statusCode}: ${(await body.text()).slice(0, 200)}`);
    const hash = createHash('sha256');
    for await (const chunk of body) hash.update(chunk as Buffer);
    return hash.digest('hex');
  }

  private greet(): Promise<void> {
    this.hello = randomUUID();
    return this.send('hello', {
      v: 1,
      msgId: this.hello,
      at: Date.now(),
      agent: { name: 'bench', version: '1' },
      slots: { [SLOT]: this.held },
    });
  }

  /** Resolves at the broker's PUBACK. */
  private async send(type: 'status' | 'hello', body: Printable): Promise<void> {
    await this.client.publishAsync(upTopic(this.address, type), print(body), { qos: 1 });
  }
}
