import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DdiReply } from './ddi-client.js';
import { DdiWorld, type DdiDevice } from './ddi-world.js';

let world: DdiWorld;
beforeAll(async () => {
  world = await DdiWorld.start('ddi_clients');
});
afterAll(() => world.close());

/** What rauc-hawkbit-updater demands of an offer, read as it reads it. @throws where it would give up */
interface Bundle {
  readonly id: string;
  readonly skips: boolean;
  readonly url: string;
  readonly size: number;
  readonly sha1: string;
}

/**
 * A client as rauc-hawkbit-updater's text says (test/api/ddi/downloads.test.ts has what its downloads are answered):
 * every answer is 200 without exception, the id is text, one chunk, one file, and its download goes on by Range.
 */
class RaucUpdater {
  constructor(private readonly device: DdiDevice) {}

  /** JSON, with the headers that it sends. @throws where the answer is anything but 200 */
  async ask(method: string, url: string, body?: object): Promise<DdiReply> {
    const headers = { accept: 'application/json;charset=UTF-8', charsets: 'utf-8' };
    const reply = await this.device.call(method, url, body, { 'content-type': 'application/json', ...headers });
    if (reply.status !== 200) throw new Error(`${method} ${url}: ${reply.status} ${reply.text}`);
    return reply;
  }

  /** It waits for 100 Continue before it sends its attributes. */
  putAttributes(url: string, data: Record<string, string>): Promise<number> {
    const body = JSON.stringify({ id: '', status: { result: { finished: 'success' }, execution: 'closed' }, data });
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: this.device.credential,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        expect: '100-continue',
      };
      const asked = httpRequest(url, { method: 'PUT', headers }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      });
      asked.on('continue', () => asked.end(body)).on('error', reject);
      asked.flushHeaders();
    });
  }

  async poll(): Promise<Record<string, { href: string }>> {
    const { body } = await this.ask('GET', this.device.base);
    const { config, _links = {} } = body;
    expect(config.polling.sleep).toMatch(/^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/);
    return _links as Record<string, { href: string }>;
  }

  async offered(): Promise<Bundle> {
    const { body } = await this.ask('GET', (await this.poll())['deploymentBase']!.href);
    const { id, deployment } = body;
    if (typeof id !== 'string' || deployment.chunks.length !== 1 || deployment.chunks[0].artifacts.length !== 1)
      throw new Error('it takes one chunk with one file, and an id that is text');
    const [{ version, name, artifacts }] = deployment.chunks;
    const [{ size, hashes, _links }] = artifacts;
    for (const text of [version, name, hashes.sha1, deployment.download]) expect(text).toEqual(expect.any(String));
    const url = (_links.download ?? _links['download-http']).href;
    return { id, skips: deployment.update === 'skip', url, size, sha1: hashes.sha1 };
  }

  /** 200, 206 and 416 are success to it: the last one says that it has all. */
  async fetched(url: string, from: number, upTo?: number): Promise<Buffer> {
    const headers = { authorization: this.device.credential, range: `bytes=${from}-${upTo ?? ''}` };
    const response = await fetch(url, { headers });
    if (![200, 206, 416].includes(response.status)) throw new Error(`${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  }

  say(id: string, execution: string, finished: string, text: string): Promise<unknown> {
    const status = { result: { finished }, execution, details: [text] };
    return this.ask('POST', `${this.device.base}/deploymentBase/${id}/feedback`, { id, status });
  }

  answerCancel(id: string, execution: string): Promise<unknown> {
    const status = { result: { finished: 'success' }, execution, details: [] };
    return this.ask('POST', `${this.device.base}/cancelAction/${id}/feedback`, { id, status });
  }
}

const sha1 = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex');

describe('rauc-hawkbit-updater', () => {
  it('sends its attributes, resumes a download that was cut, installs and closes', async () => {
    const device = await world.device();
    const updater = new RaucUpdater(device);
    const { configData } = await updater.poll();
    expect(await updater.putAttributes(configData!.href, { mac_address: 'ff:ff:ff:ff:ff:ff' })).toBe(200);
    const id = await device.install();
    const bundle = await updater.offered();
    await updater.say(bundle.id, 'proceeding', 'none', 'Download started.');
    const first = await updater.fetched(bundle.url, 0, 99_999);
    const rest = await updater.fetched(bundle.url, first.length);
    expect(sha1(Buffer.concat([first, rest]))).toBe(bundle.sha1);
    // It asks again after its own restart, and has all of it.
    expect(await updater.fetched(bundle.url, bundle.size)).toHaveLength(0);
    await updater.say(bundle.id, 'proceeding', 'none', 'Download complete.');
    expect(await device.stateOf(id)).toBe('installing');
    await updater.say(bundle.id, 'closed', 'success', 'Software bundle installed successfully.');
    expect(await device.stateOf(id)).toBe('installed');
    expect(await updater.poll()).not.toHaveProperty('deploymentBase');
  });

  it('lets RAUC stream the bundle, in ranges of 128 KiB out of order', async () => {
    const device = await world.device();
    const updater = new RaucUpdater(device);
    const id = await device.install();
    const bundle = await updater.offered();
    const length = 128 * 1024;
    const starts = Array.from({ length: Math.ceil(bundle.size / length) }, (_, at) => at * length).reverse();
    const parts = new Map<number, Buffer>();
    for (const start of starts)
      parts.set(start, await updater.fetched(bundle.url, start, Math.min(start + length, bundle.size) - 1));
    expect(sha1(Buffer.concat(starts.reverse().map((start) => parts.get(start)!)))).toBe(bundle.sha1);
    await updater.say(bundle.id, 'closed', 'success', 'installed');
    expect(await device.stateOf(id)).toBe('installed');
  });

  it('only downloads what is held at the gate, and installs it after the release', async () => {
    const device = await world.device();
    const updater = new RaucUpdater(device);
    const id = await device.install({ gate: 'hold' });
    const held = await updater.offered();
    expect(held.skips).toBe(true);
    await updater.fetched(held.url, 0);
    await updater.say(held.id, 'downloaded', 'success', 'Download complete.');
    expect(await device.stateOf(id)).toBe('downloaded');
    expect(await updater.poll()).not.toHaveProperty('deploymentBase');
    await device.operator('POST', `/${id}/release`);
    const released = await updater.offered();
    expect([released.id, released.skips]).toEqual([held.id, false]);
    await updater.say(released.id, 'closed', 'success', 'installed');
    expect(await device.stateOf(id)).toBe('installed');
  });

  it.each([
    ['stops a cancellation before it installs', 'closed', 'canceled'],
    ['continues where it installs already, and says so', 'rejected', 'installed'],
  ])('%s', async (_what, execution, end) => {
    const device = await world.device();
    const updater = new RaucUpdater(device);
    const id = await device.install();
    const bundle = await updater.offered();
    await updater.say(bundle.id, 'proceeding', 'none', 'Download started.');
    await device.operator('POST', `/${id}/cancel`, {});
    const { cancelAction, deploymentBase } = await updater.poll();
    // It works on both where both are shown.
    expect(deploymentBase).toBeUndefined();
    const { body } = await updater.ask('GET', cancelAction!.href);
    await updater.answerCancel(body.cancelAction.stopId as string, execution);
    if (end === 'installed') await updater.say(bundle.id, 'closed', 'success', 'installed');
    expect(await device.stateOf(id)).toBe(end);
  });
});

describe("Hara, and others that are made of hawkBit's Java SDK", () => {
  /** Cut between the last slash and the question mark, as the SDK does. @throws where there is none */
  const idOf = (href: string): number => {
    const [from, to] = [href.lastIndexOf('/') + 1, href.indexOf('?')];
    if (to < from) throw new Error(`${href} has no question mark behind its id`);
    return Number(href.slice(from, to));
  };

  it('find the id in the link, ask with tags, and read what was said of the action', async () => {
    const device = await world.device();
    const id = await device.install();
    const hal = { accept: 'application/hal+json' };
    const base = await device.call('GET', '', undefined, hal);
    expect(base.headers.get('content-type')).toBe('application/hal+json');
    const link = base.body._links.deploymentBase.href as string;
    const number = idOf(link);
    const first = await device.call('GET', link, undefined, hal);
    const tagged = { ...hal, 'if-none-match': first.headers.get('etag')! };
    expect(await device.call('GET', link, undefined, tagged)).toMatchObject({ status: 304, text: '' });
    const more = { details: ['Start downloading files'] };
    for (const execution of ['download', 'downloaded', 'proceeding'])
      expect((await device.feedback('deploymentBase', `${number}`, execution, 'none', more)).status).toBe(200);
    const { body } = await device.call('GET', `/deploymentBase/${number}?actionHistory=2`, undefined, hal);
    expect(body.actionHistory).toEqual({ status: 'RUNNING', messages: [...more.details, ...more.details] });
    await device.feedback('deploymentBase', `${number}`, 'closed', 'success', { details: 'Details:' });
    expect(await device.stateOf(id)).toBe('installed');
    const { installedBase } = await device.links();
    expect((await device.call('GET', installedBase!)).body).toMatchObject({ id: `${number}` });
  });

  it('know by the tag of the base that something is to be done', async () => {
    const device = await world.device();
    const { headers } = await device.call('GET', '');
    const tagged = { 'if-none-match': headers.get('etag')! };
    expect((await device.call('GET', '', undefined, tagged)).status).toBe(304);
    const id = await device.install();
    const offered = await device.call('GET', '', undefined, tagged);
    expect(offered.status).toBe(200);
    await device.operator('POST', `/${id}/cancel`, {});
    const changed = await device.call('GET', '', undefined, { 'if-none-match': offered.headers.get('etag')! });
    expect(changed.body._links).toHaveProperty('cancelAction');
  });
});
