import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { registerNamespace } from '../support/namespace.js';
import { until } from '../support/until.js';

const NAMESPACE = 'probe-port';
const NAMES = ['broker', 'bridge', 'orchestrator'] as const;
type Name = (typeof NAMES)[number];

let database: TestDatabase;
const children = new Map<Name, ChildProcess>();
const urls = {} as Record<Name, string>;

/** @returns the port that it says it listens on, by its own sentence. */
function start(name: Name, says: string, env: Record<string, string>): Promise<number> {
  const child = spawn(process.execPath, [`dist/workers/${name}.js`], {
    env: {
      ...process.env,
      DATABASE_URL: database.url,
      MQTT_USERNAME: 'slipway',
      MQTT_PASSWORD: 'service',
      TEMPORAL_ADDRESS: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!,
      TEMPORAL_NAMESPACE: NAMESPACE,
      SLIPWAY_LOG_LEVEL: 'info',
      SLIPWAY_PROBE_PORT: '0',
      SLIPWAY_MQTT_PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  children.set(name, child);
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      const said = JSON.parse(line) as { msg?: string; port: number };
      if (said.msg === 'answers probes') urls[name] = `http://127.0.0.1:${said.port}`;
      if (said.msg === says) resolve(said.port);
    });
    child.once('exit', (code) => reject(new Error(`the ${name} ended with ${code}`)));
  });
}

beforeAll(async () => {
  database = await createTestDatabase('probe_port');
  await registerNamespace(NAMESPACE);
  const mqtt = await start('broker', 'the broker listens', {});
  await start('bridge', 'answers probes', { MQTT_URL: `mqtt://127.0.0.1:${mqtt}` });
  await start('orchestrator', 'answers probes', {});
}, 90_000);
afterAll(async () => {
  for (const name of [...NAMES].reverse()) {
    const child = children.get(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
  await database.drop();
}, 60_000);

const get = async (name: Name, path: string) => {
  const reply = await fetch(urls[name] + path);
  const text = await reply.text();
  return { status: reply.status, text };
};
const up = { status: 'up' };

describe('The probe port', () => {
  it.each([
    ['broker', { database: up }],
    ['bridge', { database: up, schema: up, temporal: up, mqtt: up }],
    ['orchestrator', { database: up, schema: up, worker: up }],
  ] as const)('of a %s answers liveness, readiness and metrics', async (name, dependencies) => {
    expect(await get(name, '/health/live')).toEqual({ status: 200, text: '{"status":"live"}' });
    const ready = await until(
      'all of it is up',
      async () => {
        const reply = await get(name, '/health/ready?all=true');
        return reply.status === 200 && reply;
      },
      30_000,
    );
    expect(JSON.parse(ready.text)).toEqual({ status: 'ready', dependencies });
    const metrics = (await get(name, '/metrics')).text;
    expect(metrics).toContain('slipway_part{part="database",state="up"} 1\n');
    expect(metrics).toMatch(/^process_resident_memory_bytes \d+$/m);
    if (name === 'bridge') expect(metrics).toContain('slipway_bridge_leads 1\n');
    if (name === 'broker') expect(metrics).toMatch(/^slipway_broker_connections [1-9]/m);
    expect((await get(name, '/v1/devices')).status).toBe(404);
    expect((await fetch(`${urls[name]}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  it('of a bridge whose broker is gone: it stays ready, and is not with all=true', async () => {
    children.get('broker')!.kill('SIGKILL');
    const all = await until(
      'the broker is missed',
      async () => {
        const reply = await get('bridge', '/health/ready?all=true');
        return reply.status === 503 && reply;
      },
      30_000,
    );
    expect(JSON.parse(all.text)).toMatchObject({
      status: 'unready',
      dependencies: { mqtt: { status: 'down', reason: 'does not answer the bridge that leads' }, database: up },
    });
    expect((await get('bridge', '/health/ready')).status).toBe(200);
  });
});
