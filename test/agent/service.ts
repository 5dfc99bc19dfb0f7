import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { Aedes } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import {
  parseUp,
  print,
  statusReceipt,
  type Ack,
  type Desired,
  type Hello,
  type Status,
  type UpMessage,
} from '../../protocol/mqtt/payloads.js';
import { ackTopic, cmdTopic, desiredTopic, SERVICE_FILTER } from '../../protocol/mqtt/topics.js';

export const TENANT = 't1';
const address = (device: string, node: string) => ({ tenant: TENANT, node, device });

/** The test in the service's place: a real broker, and a client that hears the devices and speaks to them. */
export class TestService {
  readonly heard: UpMessage[] = [];
  /** What is answered by itself: a receipt for each hello and each terminal status, as the real one does. */
  acknowledges = true;
  /** `open` in the answer to a hello; undefined = the answer says nothing about it. */
  open: Ack['open'];
  /** Whose an alias is, in the answer to a gateway's hello. */
  aliases: Record<string, string> = {};
  /** Devices that are not this gateway's: what is reported on them is answered `forbidden`. */
  readonly strangers = new Set<string>();
  private readonly waiting = new Set<() => void>();

  private constructor(
    private readonly broker: Aedes,
    private readonly server: Server,
    private readonly client: MqttClient,
    readonly url: string,
  ) {
    client.on('message', (topic, payload) => {
      const parsed = parseUp(topic, payload);
      if (!parsed.ok) throw new Error(`the device sent what cannot be read: ${parsed.reason} ${parsed.detail}`);
      this.heard.push(parsed.message);
      this.answer(parsed.message);
      for (const look of this.waiting) look();
    });
  }

  static async start(): Promise<TestService> {
    const broker = await Aedes.createBroker();
    const server = createServer(broker.handle);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = await connectAsync(url);
    const service = new TestService(broker, server, client, url);
    await client.subscribeAsync(SERVICE_FILTER, { qos: 1 });
    return service;
  }

  async stop(): Promise<void> {
    await this.client.endAsync(true);
    await new Promise<void>((done) => this.broker.close(done));
    await new Promise<void>((done) => this.server.close(() => done()));
  }

  /** @param node the gateway that acts for the device, where it is not itself */
  async publish(device: string, desired: Desired, node = device): Promise<void> {
    await this.send(desiredTopic(address(device, node), desired.slot), print(desired), true);
  }

  async clear(device: string, slot = 'firmware', node = device): Promise<void> {
    await this.send(desiredTopic(address(device, node), slot), Buffer.alloc(0), true);
  }

  async command(
    device: string,
    cmd: 'cancel' | 'hello' | 'log',
    installationId?: string,
    node = device,
  ): Promise<void> {
    await this.send(
      cmdTopic(address(device, node)),
      print({ v: 1, cmd, ...(installationId !== undefined && { installationId }) }),
      false,
    );
  }

  async acknowledge(device: string, what: { for: string } & Partial<Ack>, node = device): Promise<void> {
    await this.send(ackTopic(address(device, node)), print({ v: 1, result: 'ok', ...what }), false);
  }

  statuses(device: string, installationId?: string): Status[] {
    return this.heard.flatMap((message) =>
      message.type === 'status' &&
      message.device === device &&
      (installationId ?? message.body.installationId) === message.body.installationId
        ? [message.body]
        : [],
    );
  }

  states(device: string, installationId?: string): string[] {
    return this.statuses(device, installationId).map(({ state }) => state);
  }

  hellos(device: string): Hello[] {
    return this.heard.flatMap((message) =>
      message.type === 'hello' && message.device === device ? [message.body] : [],
    );
  }

  status(device: string, state: string, deadlineMs = 15_000): Promise<Status> {
    return this.until(
      () => this.statuses(device).find((status) => status.state === state),
      `the status "${state}" of ${device}; heard: ${this.states(device).join(', ')}`,
      deadlineMs,
    );
  }

  /** Looks again whenever something was heard, and every 20 ms for what is not heard. */
  until<T>(look: () => T | undefined | false, what: string, deadlineMs = 15_000): Promise<T> {
    return new Promise((done, broken) => {
      const tryIt = () => {
        const found = look();
        if (found === undefined || found === false) return;
        end();
        done(found);
      };
      const end = () => {
        clearTimeout(deadline);
        clearInterval(beat);
        this.waiting.delete(tryIt);
      };
      const deadline = setTimeout(() => {
        end();
        broken(
          new Error(
            `waited ${deadlineMs} ms in vain for ${what}; heard: ${this.heard.map(({ type, body }) => ('state' in body ? body.state : type)).join(', ')}`,
          ),
        );
      }, deadlineMs);
      const beat = setInterval(tryIt, 20);
      this.waiting.add(tryIt);
      tryIt();
    });
  }

  private answer(message: UpMessage): void {
    if (!this.acknowledges) return;
    const { node, device, type, body } = message;
    const result = this.strangers.has(device) ? ('forbidden' as const) : ('ok' as const);
    if (type === 'hello') {
      const children = Object.fromEntries(
        (body.children ?? []).flatMap((child) =>
          this.aliases[child.device] ? [[child.device, this.aliases[child.device]!]] : [],
        ),
      );
      void this.acknowledge(
        device,
        {
          for: body.msgId,
          result,
          ...(this.open && result === 'ok' && { open: this.open }),
          ...(Object.keys(children).length > 0 && { children }),
        },
        node,
      );
    }
    if (type === 'status' && ['installed', 'failed', 'rejected', 'canceled'].includes(body.state))
      void this.acknowledge(device, { for: statusReceipt(body), result }, node);
  }

  private async send(topic: string, payload: Buffer, retain: boolean): Promise<void> {
    await this.client.publishAsync(topic, payload, { qos: 1, retain });
  }
}

/** A document, as the service would publish it. */
export function documentFor(
  file: { url: string; sha256: string; bytes: Buffer; version: string },
  also: Partial<Desired> = {},
): Desired {
  return {
    v: 1,
    revision: 1,
    installationId: randomUUID(),
    attempt: 1,
    issuedAt: new Date().toISOString(),
    slot: 'firmware',
    device: { id: 'd-1', aliases: [] },
    firmware: {
      id: randomUUID(),
      name: 'OSR',
      version: file.version,
      size: file.bytes.length,
      sha256: file.sha256,
      contentType: 'application/octet-stream',
    },
    download: { url: file.url },
    gate: 'go',
    policy: { maxDeferSeconds: 60, confirmWithinSeconds: 60, retryDownload: 3 },
    ...also,
  };
}
