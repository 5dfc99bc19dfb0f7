import { randomUUID } from 'node:crypto';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { MAX_PACKET_BYTES } from './packet-limits.js';
import { CONTROL_TOPIC, RESPONSE_TOPIC } from './mosquitto.js';

/** One command of mosquitto's dynamic security plugin, as JSON. */
export type Command = { readonly command: string } & Readonly<Record<string, unknown>>;
/** `error` in the plugin's own words; absent = done. */
export interface Answer {
  readonly command: string;
  readonly error?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

const CONNECT_TIMEOUT_MS = 5_000;
/**
 * Answers come at QoS 0: one that is lost must not be waited for. With 10,000 devices ten new logins take about 5 s.
 */
const ANSWER_TIMEOUT_MS = 10_000;
/**
 * Of one message: the broker refuses larger packets from every sender. Leaves room for the topic and the frame around
 * it.
 */
const MAX_COMMAND_BYTES = MAX_PACKET_BYTES / 2;

/**
 * Talks to mosquitto's dynamic security plugin. It exists because the plugin answers everyone at once, at QoS 0 and
 * only to who is connected: each message is marked, and waits for the answer with its mark.
 *
 * Connects when it is needed, and again after a break, always under one client id: a newer one cuts off an older one
 * that stalled.
 */
export class MosquittoControl {
  private connecting: Promise<MqttClient> | undefined;
  private readonly waiting = new Map<string, (answers: Answer[]) => void>();

  /** `options` are asked for at each connect. */
  constructor(
    private readonly url: string,
    private readonly options: () => Promise<IClientOptions>,
  ) {}

  /**
   * In order. Split over as many messages as the broker's limit asks for; the plugin carries each out in one go.
   * @throws what failed.
   */
  async ask(commands: readonly Command[]): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (const message of packed(commands)) answers.push(...(await this.exchange(message)));
    return answers;
  }

  async close(): Promise<void> {
    const open = await this.connecting?.catch(() => undefined);
    await open?.endAsync(true);
  }

  private async exchange(commands: readonly Command[]): Promise<Answer[]> {
    const client = await (this.connecting ??= this.connect());
    const mark = randomUUID();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Answer[]>((resolve, reject) => {
        const fail = (why: string) =>
          reject(new Error(`the broker's dynamic security plugin ${why}; is MQTT_USERNAME its administrator?`));
        timer = setTimeout(fail, ANSWER_TIMEOUT_MS, `did not answer within ${ANSWER_TIMEOUT_MS} ms`);
        this.waiting.set(mark, (answers) =>
          answers.length === commands.length
            ? resolve(answers)
            : fail(`gave ${answers.length} answers to ${commands.length} commands`),
        );
        client.once('close', () => fail('was asked, and the connection closed'));
        client.publish(
          CONTROL_TOPIC,
          print(commands, mark),
          { qos: 1 },
          (error) => error && fail(`could not be asked (${error.message})`),
        );
      });
    } finally {
      clearTimeout(timer);
      this.waiting.delete(mark);
    }
  }

  private async connect(): Promise<MqttClient> {
    try {
      const client = await mqtt.connectAsync(
        this.url,
        { ...(await this.options()), clean: true, reconnectPeriod: 0, connectTimeout: CONNECT_TIMEOUT_MS },
        false,
      );
      // Each exchange under way listens for the end.
      client.setMaxListeners(0);
      client.on('error', () => client.end(true));
      client.on('close', () => (this.connecting = undefined));
      client.on('message', (_topic, payload) => this.hear(payload));
      await client.subscribeAsync(RESPONSE_TOPIC, { qos: 0 });
      return client;
    } catch (error) {
      this.connecting = undefined;
      throw new Error(`no connection to the broker's dynamic security plugin: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  private hear(payload: Buffer): void {
    const { responses } = JSON.parse(payload.toString()) as { responses: (Answer & { correlationData?: string })[] };
    const mark = responses[0]?.correlationData;
    // Other administrators' answers come here as well.
    if (mark !== undefined) this.waiting.get(mark)?.(responses);
  }
}

function print(commands: readonly Command[], mark: string): string {
  return JSON.stringify({ commands: commands.map((command) => ({ ...command, correlationData: mark })) });
}

function* packed(commands: readonly Command[]): Generator<Command[]> {
  let message: Command[] = [];
  let size = 0;
  for (const command of commands) {
    const bytes = Buffer.byteLength(print([command], randomUUID()));
    if (message.length > 0 && size + bytes > MAX_COMMAND_BYTES) {
      yield message;
      [message, size] = [[], 0];
    }
    message.push(command);
    size += bytes;
  }
  if (message.length > 0) yield message;
}
