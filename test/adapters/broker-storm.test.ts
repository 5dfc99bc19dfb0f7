import { readFileSync } from 'node:fs';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startEmbeddedBroker, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { Aedes } from 'aedes';
import { generate, type Packet } from 'mqtt-packet';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { SERVICE_FILTER } from '../../protocol/mqtt/topics.js';
import { addressKey } from '../../adapters/broker/addresses.js';
import { releaseByTurns, type Emitter } from '../../adapters/broker/release-by-turns.js';
import { Storm } from '../../bench/storm/storm.js';
import { eventually } from '../contract/broker-clients.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/** Resolves when a count is the same for a while. */
async function standsStill(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); await new Promise((resolve) => setTimeout(resolve, 500))) before = count();
}

describe('A storm of connections', () => {
  let broker: EmbeddedBroker;
  let sockets: net.Socket[];
  let storm: Storm | undefined;
  /** Answered together: then all CONNECTs go on at the same moment. */
  let checking: (() => void)[];
  beforeEach(async () => {
    checking = [];
    sockets = [];
    broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: 0,
      log: silent,
      authenticate: async (username) => {
        const node = parseUsername(username);
        if (node?.node.startsWith('d-')) await new Promise<void>((resolve) => checking.push(resolve));
        if (username === 'slipway') return { identity: { kind: 'service' } };
        return node ? { identity: { kind: 'device', ...node } } : null;
      },
    });
  });
  afterEach(async () => {
    storm?.end();
    for (const socket of sockets) socket.destroy();
    await broker.close();
  });

  /** Connected, and its packets are on their way: one of the service, 800 of a device. */
  async function client(username: string, packet: (n: number) => Packet): Promise<net.Socket> {
    const socket = net.connect(broker.port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    const connack = new Promise((resolve) => socket.once('data', resolve));
    socket.write(
      generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clientId: 'c',
        keepalive: 600,
        clean: true,
        username,
        password: Buffer.from('secret'),
      }),
    );
    await connack;
    for (let n = 1; n <= (username === 'slipway' ? 1 : 800); n += 1) socket.write(generate(packet(n)));
    return socket;
  }

  it('of 2,000 devices that comes while deliveries are behind waits, and then all of them are let in', async () => {
    const bridge = await client('slipway', () => ({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: SERVICE_FILTER, qos: 1 }],
    }));
    bridge.pause();
    const flood = await client('default/flood', (n) => ({
      cmd: 'publish',
      topic: 'slipway/v1/default/flood/flood/up/log',
      payload: Buffer.alloc(60_000),
      qos: 0,
      messageId: n,
      dup: false,
      retain: false,
    }));
    await eventually('the broker reads no more of it', () => flood.writableLength > 20_000_000, 60_000);
    storm = new Storm(broker.port, 2_000);
    await eventually('all are being checked', () => checking.length === 2_000, 60_000);
    for (const go of checking.splice(0)) go();
    await standsStill(() => storm!.connected);
    expect(storm.connected).toBeLessThan(1_000);
    bridge.resume();
    await eventually('all are let in', () => storm!.connected === 2_000, 60_000);
    expect(storm.failed).toBe(0);
    storm.end();
    await eventually('all have gone', () => broker.connected().length === 2, 60_000);
  }, 300_000);

  it('finds a queue that holds it while the process is busy: no connection has to be tried again', async () => {
    sockets = Array.from({ length: 1_500 }, () => net.connect(broker.port, '127.0.0.1').on('error', () => undefined));
    // All have asked the kernel now; one that found no room in the queue asks again after a second.
    await new Promise((resolve) => setImmediate(resolve));
    expect(asking(broker.port)).toBe(0);
    await eventually('all are connected', () => sockets.every((socket) => socket.readyState === 'open'), 60_000);
  }, 120_000);
});

/** How many connections to this port have no answer yet (proc_net_tcp(5): SYN_SENT is 02). */
function asking(port: number): number {
  const to = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return rows.filter(([, , remote, state]) => remote?.endsWith(to) && state === '02').length;
}

describe('The queue of deliveries', () => {
  it('releases any number of messages without subscribers one after the other, in their order', () => {
    const { mq: emitter } = new Aedes({ concurrency: 1 }) as unknown as {
      mq: Emitter & { on: (...args: unknown[]) => void; emit: (...args: unknown[]) => void };
    };
    releaseByTurns(emitter);
    const done: number[] = [];
    let release: (() => void) | undefined;
    emitter.on('slow', (_message: unknown, then: () => void) => (release = then));
    emitter.emit({ topic: 'slow' });
    for (let n = 0; n < 20_000; n += 1) emitter.emit({ topic: 'none' }, () => done.push(n));
    // One that comes while others are released overtakes none of them.
    emitter.emit({ topic: 'none' }, () => emitter.emit({ topic: 'none' }, () => done.push(-1)));
    emitter.emit({ topic: 'none' }, () => done.push(20_000));
    expect(done).toEqual([]);
    release!();
    expect(done).toEqual([...Array.from({ length: 20_001 }, (_, n) => n), -1]);
    expect(emitter.current).toBe(0);
  });
});

describe('An address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    [undefined, ''],
  ])('%s counts as %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
