import { randomUUID } from 'node:crypto';
import type { Payload } from '../bridge/hand-made-device.js';
import { until } from '../support/until.js';
import type { StoryDevice } from './story-device.js';

/**
 * A device as an engineer writes it who has only read "The HTTP twin": `fetch`, paths and payloads by hand. It waits
 * for its documents all the time, and keeps what it is told under the topics that MQTT has for it. Its requests go to
 * each of the addresses in turn.
 */
export class HttpDevice implements StoryDevice {
  readonly heard: { topic: string; json: Payload | null }[] = [];
  private readonly ending = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private seq = 0;
  private turn = 0;

  constructor(
    private readonly urls: readonly string[],
    private readonly tenant: string,
    readonly id: string,
    private readonly token: string,
  ) {}

  /** It has seen what is there when this returns, as a client of a broker has. */
  async connect(): Promise<this> {
    const known = await this.look('desired/firmware', undefined);
    this.running = this.wait(known);
    return this;
  }

  topic(rest: string, device = this.id): string {
    return `slipway/v1/${this.tenant}/${this.id}/${device}/${rest}`;
  }

  /** @returns status, ETag, the commands that are wanted, and the body */
  async ask(method: string, path: string, body?: string | object, headers: Record<string, string> = {}) {
    const url = this.urls[(this.turn += 1) % this.urls.length]!;
    const response = await fetch(`${url}/device/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: this.ending.signal,
    });
    const text = await response.text();
    return {
      status: response.status,
      etag: response.headers.get('etag') ?? undefined,
      commands: (response.headers.get('slipway-cmd') ?? '').split(', ').filter((name) => name !== ''),
      json: text === '' ? null : (JSON.parse(text) as Payload),
    };
  }

  async send(topic: string, payload: string | object): Promise<void> {
    const [, , , , device, , type] = topic.split('/');
    const path = device === this.id ? type! : `children/${device}/${type}`;
    const { json } = await this.ask('POST', path, payload);
    if (json && 'for' in json) this.heard.push({ topic: this.topic('down/ack', device), json });
  }

  async status(document: Payload, state: string, more: Record<string, unknown> = {}): Promise<string> {
    this.seq += 1;
    const { installationId, attempt, revision, slot } = document;
    const body = { v: 1, installationId, attempt, seq: this.seq, revision, slot, state, ...more };
    await this.send(this.topic('up/status'), body);
    return [installationId, attempt, body.seq].join('/');
  }

  async hello(slots: Record<string, object>, more: Record<string, unknown> = {}): Promise<string> {
    const msgId = randomUUID();
    const agent = { name: 'hand made', version: '0.0.1' };
    await this.send(this.topic('up/hello'), { v: 1, msgId, agent, slots, ...more });
    return msgId;
  }

  /** It is there because it waits. */
  async presence(): Promise<void> {
    await until('it waits', () => this.heard !== undefined);
  }

  desired(device = this.id, slot = 'firmware', is: (document: Payload) => boolean = () => true): Promise<Payload> {
    const topic = this.topic(`down/desired/${slot}`, device);
    return until(
      `a document for ${topic}`,
      () => this.heard.findLast((one) => one.topic === topic && one.json !== null && is(one.json))?.json,
    );
  }

  cleared(device = this.id, slot = 'firmware'): Promise<true> {
    const topic = this.topic(`down/desired/${slot}`, device);
    return until(`nothing for ${topic}`, () => this.heard.findLast((one) => one.topic === topic)?.json === null);
  }

  ack(what: string): Promise<Payload> {
    return this.told('down/ack', (json) => json['for'] === what, `a receipt for ${what}`);
  }

  cmd(name: string): Promise<Payload> {
    return this.told('down/cmd', (json) => json['cmd'] === name, `the command ${name}`);
  }

  cut(): void {
    this.ending.abort();
  }

  async end(): Promise<void> {
    this.cut();
    await this.running;
  }

  private told(rest: string, is: (json: Payload) => boolean, what: string): Promise<Payload> {
    const topic = this.topic(rest);
    return until(what, () => this.heard.find((one) => one.topic === topic && one.json !== null && is(one.json))?.json);
  }

  /** Until it is cut. */
  private async wait(begunWith: string | undefined): Promise<void> {
    let known = begunWith;
    while (!this.ending.signal.aborted) {
      try {
        known = await this.look('desired/firmware?wait=PT20S', known);
      } catch (error) {
        if (!this.ending.signal.aborted) throw error;
      }
    }
  }

  /** @returns the ETag of what it knows from now on */
  private async look(path: string, known: string | undefined): Promise<string | undefined> {
    const headers = known === undefined ? {} : { 'if-none-match': known };
    const { status, etag, commands, json } = await this.ask('GET', path, undefined, headers);
    if (status >= 400) throw new Error(`the service answered ${status} ${JSON.stringify(json)}`);
    const topic = this.topic('down/desired/firmware');
    if (status === 200) this.heard.push({ topic, json });
    if (status === 204 && known !== undefined) this.heard.push({ topic, json: null });
    for (const cmd of commands) this.heard.push({ topic: this.topic('down/cmd'), json: { v: 1, cmd } });
    return status === 304 ? known : etag;
  }
}
