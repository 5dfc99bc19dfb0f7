import { spawn, type ChildProcess } from 'node:child_process';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createCredential, revokeCredential } from '../../store/commands/credentials.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { DeviceClient, eventually } from '../contract/broker-clients.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const MAIN = fileURLToPath(new URL('../../dist/workers/broker.js', import.meta.url));

/** The way to PostgreSQL, which a test can close and open again. */
class TcpProxy {
  private readonly sockets = new Set<net.Socket>();
  private blocked = false;
  private readonly server: net.Server;

  constructor(private readonly to: URL) {
    this.server = net.createServer((from) => {
      if (this.blocked) return from.destroy();
      const onward = net.connect(Number(to.port), to.hostname);
      for (const [one, other] of [
        [from, onward],
        [onward, from],
      ] as const) {
        this.sockets.add(one);
        one.pipe(other).on('error', () => other.destroy());
        one.on('error', () => other.destroy()).on('close', () => (this.sockets.delete(one), other.destroy()));
      }
      return undefined;
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const url = new URL(this.to);
    url.host = `127.0.0.1:${(this.server.address() as net.AddressInfo).port}`;
    return url.href;
  }

  block(blocked: boolean): void {
    this.blocked = blocked;
    if (blocked) for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.block(true);
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe("The broker's process", () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let pool: Pool;
  let facts: Facts;
  let proxy: TcpProxy;
  let child: ChildProcess;
  let log = '';
  let url = '';

  beforeAll(async () => {
    database = await createTestDatabase('broker_process');
    pool = openPool({ databaseUrl: database.url, name: 'test' });
    facts = await new Facts(pool, 'acme').begin();
    proxy = new TcpProxy(new URL(database.url));
    const env = {
      ...process.env,
      DATABASE_URL: await proxy.open(),
      SLIPWAY_MQTT_PORT: '0',
      MQTT_USERNAME: 'slipway',
      MQTT_PASSWORD: 'secret',
      SLIPWAY_LOG_LEVEL: 'info',
    };
    child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    await eventually('it listens', () => /"port":\d+,"msg":"the broker listens"/.test(log), 10_000);
    url = `mqtt://127.0.0.1:${/"port":(\d+)/.exec(log)?.[1]}`;
  });
  afterAll(async () => {
    child.kill('SIGKILL');
    await proxy.close();
    await pool.end();
    await database.drop();
  });
  const make = async () => {
    const device = await facts.device(undefined, false);
    const { secret: password, ...made } = await asTenant(pool, 'acme', (tx) => createCredential(tx, 'acme', device));
    return { device, password, ...made };
  };
  const enter = ({ username, password }: { username: string; password: string }) =>
    DeviceClient.connect(url, { username, password });

  it('lets a device in by its password, and cuts it off within 5 s of its revocation', async () => {
    const made = await make();
    const [device, other] = [await enter(made), await enter(await make())];
    await asTenant(pool, 'acme', (tx) => revokeCredential(tx, 'acme', made.device, made.id));
    await eventually('it is cut off', () => device.closed, 5_000);
    await expect(enter(made)).rejects.toThrow(/bad user|refused/i);
    expect(other.closed).toBe(false);
    await other.end();
  });

  it('lets the service in by its own', async () => {
    const bridge = await enter({ username: 'slipway', password: 'secret' });
    await bridge.end();
    await expect(enter({ username: 'slipway', password: 'wrong' })).rejects.toThrow(/bad user|refused/i);
  });

  it('keeps connected clients while the database is away, answers "unavailable" to others, and admits them when it is back', async () => {
    const [inside, outside] = [await make(), await make()];
    const device = await enter(inside);
    proxy.block(true);
    await eventually('it noticed', () => log.includes('the database does not answer'), 10_000);
    await expect(enter(outside)).rejects.toThrow(/unavailable/i);
    expect(device.closed).toBe(false);
    proxy.block(false);
    await eventually('it noticed', () => log.includes('the database answers again'), 10_000);
    const later = await enter(outside);
    expect(device.closed).toBe(false);
    for (const one of [device, later]) await one.end();
  });

  it('ends with its parent, and disconnects its clients', async () => {
    const device = await enter(await make());
    const code = new Promise((resolve) => child.once('exit', resolve));
    child.disconnect();
    expect(await code).toBe(0);
    await eventually('the client noticed', () => device.closed);
  });
});
