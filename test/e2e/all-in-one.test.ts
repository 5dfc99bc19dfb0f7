import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isInside } from '../support/outside.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';

const ANY_PORT = {
  SLIPWAY_HTTP_PORT: '0',
  SLIPWAY_MQTT_PORT: '0',
  SLIPWAY_TEMPORAL_PORT: '0',
  SLIPWAY_TEMPORAL_UI_PORT: '0',
};
const run = promisify(execFile);
const OUTSIDE = { mqtt: 'MQTT_URL', database: 'DATABASE_URL', temporal: 'TEMPORAL_ADDRESS' } as const;
const service = new TestedAllInOne();

beforeAll(() => service.start(), 120_000);
afterAll(async () => {
  await service.stop();
  for (const { pid } of service.processes()) process.kill(pid, 'SIGKILL'); // what a failed test left behind
  service.remove();
}, 30_000);

const mode = (file: string) => (statSync(join(service.dataDir, file)).mode & 0o777).toString(8);

const addresses = (): string[] => Object.values({ ...service.endpoints });
/** Of what was started here. What is outside (npm run test:outside) goes on. */
const ours = (): string[] =>
  Object.entries<string>({ ...service.endpoints })
    .filter(([name]) => process.env[OUTSIDE[name as keyof typeof OUTSIDE] ?? ''] === undefined)
    .map(([, address]) => address);

function listens(address: string): Promise<boolean> {
  const { hostname, port } = new URL(address.includes('://') ? address : `tcp://${address}`);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

describe('npm start', () => {
  it('writes every address in use and the admin token, readable by the owner only', async () => {
    expect(Object.keys(service.endpoints).sort()).toEqual(['database', 'http', 'mqtt', 'temporal', 'temporalUi']);
    expect([mode('endpoints.json'), mode('admin-token')]).toEqual(['600', '600']);
    for (const address of addresses()) expect([address, await listens(address)]).toEqual([address, true]);
    for (const address of addresses())
      expect(service.output).toContain(new URL(address.includes('://') ? address : `tcp://${address}`).port);
  });

  it('says that it is ready, part by part, and describes itself', async () => {
    const ready = (await (await fetch(`${service.endpoints.http}/health/ready`)).json()) as {
      status: string;
      dependencies: Record<string, { status: string }>;
    };
    expect(ready.status).toBe('ready');
    expect(Object.keys(ready.dependencies).sort()).toEqual([
      'blobs',
      'bridge',
      'database',
      'mqtt',
      'orchestrator',
      'schema',
      'temporal',
    ]);
    // Where its login could become more, a sentence would say that the second wall is soft.
    if (isInside('PostgreSQL', 'that the second wall holds', 'Its logins are the operator’s.'))
      expect(ready.dependencies['database']).toEqual({ status: 'up' });
    for (const path of ['/health/live', '/metrics', '/openapi.json', '/docs/']) {
      const { status, body } = await fetch(service.endpoints.http + path);
      expect([path, status]).toEqual([path, 200]);
      await body?.cancel();
    }
  });

  it('is one node process with its children, and no wrapper in between', () => {
    const parents = service
      .processes()
      .map(({ pid }) => Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]));
    const nodes = service.processes().filter(({ command }) => /node .*dist\/(api|workers)\//.test(command));
    expect(nodes.length).toBe(process.env['MQTT_URL'] === undefined ? 5 : 4);
    expect(parents).toEqual(expect.arrayContaining([service.pid]));
  });

  it('refuses a second start on the same data folder with a sentence', async () => {
    const second = await run(process.execPath, ['dist/workers/up.js'], {
      env: { ...process.env, SLIPWAY_DATA_DIR: service.dataDir, SLIPWAY_HTTP_PORT: '0' },
      timeout: 20_000,
    }).catch((error: { code: number; stderr: string }) => error);
    expect(second).toMatchObject({ code: 1 });
    expect(second.stderr).toMatch(/is in use: Slipway runs on it as process \d+\. Stop that one first/);
    expect((await fetch(`${service.endpoints.http}/health/ready`)).status).toBe(200);
  });

  it('restarts a child that died, and reports it as not ready meanwhile', async () => {
    const bridge = () => service.processes().find(({ command }) => command.includes('workers/bridge.js'))?.pid;
    const before = bridge()!;
    process.kill(before, 'SIGKILL');
    const after = await until('another bridge', () => (bridge() !== before ? bridge() : undefined), 10_000);
    expect(after).not.toBe(before);
    await service.operator.ready(20_000);
  });
});

describe('A process that is frozen', () => {
  const readiness = async () => {
    const response = await fetch(`${service.endpoints.http}/health/ready`);
    return (await response.json()) as { dependencies: Record<string, { status: string; reason?: string }> };
  };
  /** Stops a process for as long as `work` takes. */
  const frozen = async (file: string, work: () => Promise<void>) => {
    const found = service.processes().find(({ command }) => command.includes(file));
    if (!found) throw new Error(`no process runs ${file}`);
    process.kill(found.pid, 'SIGSTOP');
    try {
      await work();
    } finally {
      process.kill(found.pid, 'SIGCONT');
    }
    await service.operator.ready(30_000);
  };

  it.each([
    ['workers/orchestrator.js', 'orchestrator', 'no orchestrator holds the lease: installations do not go on'],
    ...(process.env['MQTT_URL'] === undefined
      ? [['workers/broker.js', 'mqtt', 'does not answer the bridge: devices are not reached'] as const]
      : []),
  ])('%s: health and metrics say so within 10 s, and blame no other', async (file, part, reason) => {
    await frozen(file, async () => {
      await until(
        `health tells of ${part}`,
        async () => (await readiness()).dependencies[part]?.status === 'down' || undefined,
        10_000,
      );
      const { dependencies } = await readiness();
      expect(dependencies[part]).toEqual({ status: 'down', reason });
      expect(dependencies).toMatchObject({ database: { status: 'up' }, blobs: { status: 'up' } });
      const metrics = await (await fetch(`${service.endpoints.http}/metrics`)).text();
      expect(metrics).toContain(`slipway_part{part="${part}",state="down"} 1`);
    });
  });
});

describe('SIGTERM', () => {
  it('to the process that npm runs ends all of it within 10 s, and leaves no process, port or lock; the next start has the same addresses', async () => {
    const [before, closing] = [service.endpoints, ours()];
    expect(await service.stop()).toBeLessThan(10_000);
    expect(service.processes()).toEqual([]);
    for (const address of closing) expect([address, await listens(address)]).toEqual([address, false]);
    await service.start();
    expect(service.endpoints).toEqual(before);
  });

  it('to npm itself does the same', async () => {
    await service.stop();
    const npm = spawn('npm', ['start', '--silent'], {
      env: { ...process.env, ...ANY_PORT, SLIPWAY_DATA_DIR: service.dataDir },
      stdio: 'ignore',
    });
    const exit = new Promise((resolve) => npm.once('exit', resolve));
    await until('its addresses', () => existsSync(join(service.dataDir, 'endpoints.json')), 60_000);
    await service.operator.ready(60_000);
    expect(service.processes().some(({ command }) => command.includes('dist/workers/up.js'))).toBe(true);
    npm.kill('SIGTERM');
    await exit;
    await until('nothing left', () => service.processes().length === 0, 10_000);
    expect(existsSync(join(service.dataDir, 'endpoints.json'))).toBe(false);
  });
});
