import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiProcess } from '../api/api-process.js';
import { TestedHaproxy } from '../support/haproxy.js';
import { until } from '../support/until.js';
import { freePort } from '../../workers/embedded/ports.js';

const PER_SECOND = 100;
const MOST_UNDER_WAY = 25;
/** A balancer on a busy machine takes seconds to notice what an operator's takes one for. */
const DRAIN_DELAY = 'PT10S';

let apis: Record<'one' | 'other', ApiProcess>;
let haproxy: TestedHaproxy;
beforeAll(async () => {
  const ports = { one: await freePort(), other: await freePort() };
  const one = await ApiProcess.prepare('rolling restart', {
    SLIPWAY_HTTP_PORT: String(ports.one),
    SLIPWAY_DRAIN_DELAY: DRAIN_DELAY,
  });
  apis = { one, other: ApiProcess.beside(one, { SLIPWAY_HTTP_PORT: String(ports.other) }) };
  await apis.one.start();
  await apis.other.start();
  haproxy = await TestedHaproxy.start(ports);
}, 120_000);
afterAll(async () => {
  await haproxy.close();
  await apis.other.remove();
  await apis.one.remove();
});

const isUp = (name: string) => until(`haproxy has ${name}`, async () => (await haproxy.states()).get(name) === 'UP');

/**
 * Reads and writes at a fixed pace until it is stopped; more slowly where the machine cannot answer so many: an API that
 * is overloaded looks like one that is away.
 */
class Load {
  private ended = false;
  private sent = 0;
  private skipped = 0;
  private readonly under = new Set<Promise<void>>();
  readonly failed: string[] = [];
  private readonly running = this.run();

  get count(): number {
    return this.sent;
  }

  async stop(): Promise<void> {
    this.ended = true;
    await this.running;
    await Promise.all(this.under);
  }

  private async run(): Promise<void> {
    for (const began = performance.now(); !this.ended; await sleep(5)) {
      // Never made up for: a stall would be followed by a flood.
      const due = ((performance.now() - began) / 1_000) * PER_SECOND;
      while (this.sent + this.skipped < due) {
        if (this.under.size >= MOST_UNDER_WAY) {
          this.skipped += 1;
          continue;
        }
        const request = this.request((this.sent += 1)).finally(() => this.under.delete(request));
        this.under.add(request);
      }
    }
  }

  private async request(number: number): Promise<void> {
    const writes = number % 10 === 0;
    try {
      const reply = await fetch(`${haproxy.url}/v1/device-types${writes ? '' : '?pageSize=1'}`, {
        method: writes ? 'POST' : 'GET',
        headers: { authorization: `Bearer ${apis.one.token}`, 'content-type': 'application/json' },
        ...(writes ? { body: JSON.stringify({ name: `type ${number}` }) } : {}),
      });
      await reply.arrayBuffer();
      if (reply.status !== (writes ? 201 : 200)) this.failed.push(`${number}: ${reply.status}`);
    } catch (error) {
      this.failed.push(`${number}: ${String((error as Error).cause ?? error)}`);
    }
  }
}

describe('A rolling restart of two APIs behind haproxy', () => {
  it('fails none of 100 requests a second', async () => {
    await Promise.all([isUp('one'), isUp('other')]);
    const load = new Load();
    for (const name of ['one', 'other'] as const) {
      const before = load.count;
      await until('both are asked', () => load.count > before + PER_SECOND, 30_000);
      await apis[name].end('SIGTERM');
      await apis[name].start();
      await isUp(name);
    }
    const before = load.count;
    await until('both are asked', () => load.count > before + PER_SECOND, 30_000);
    await load.stop();
    expect(load.failed).toEqual([]);
    expect(load.count).toBeGreaterThan(500);
  }, 180_000);

  it('has an API that is unready at once and answers until its delay is over', async () => {
    const { one } = apis;
    const ended = one.end('SIGTERM');
    await until('it is unready', async () => (await one.fetch('GET', '/health/ready')).status === 503);
    const reply = await one.fetch('GET', '/v1/device-types');
    expect([reply.status, reply.headers.get('connection')]).toEqual([200, 'close']);
    process.kill(one.pid, 'SIGTERM');
    const began = performance.now();
    await ended;
    expect(performance.now() - began).toBeLessThan(9_000);
    await expect(one.fetch('GET', '/health/live')).rejects.toThrow();
  });
});
