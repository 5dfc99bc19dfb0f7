import net from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generate, parser, type Packet } from 'mqtt-packet';
import { startEmbeddedBroker, type Admission, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { cmdTopic, deviceFilter, SERVICE_FILTER, upTopic } from '../../protocol/mqtt/topics.js';
import { DeviceClient, eventually, ServiceClient } from '../contract/broker-clients.js';

const SERVICE = { username: 'slipway', password: 's' };
const gw = { tenant: 'acme', node: 'gw', device: 'gw' };
const login = (node: string, password = 'p1') => ({ username: `acme/${node}`, password });

describe('The embedded broker', () => {
  let broker: EmbeddedBroker;
  let authenticate: (username: string, password: string) => Promise<Admission | null>;
  let url: string;
  let logged: string[];
  let limited: string[];
  let refused: string[];
  let open: { end(): unknown }[];

  beforeEach(async () => {
    logged = [];
    limited = [];
    refused = [];
    open = [];
    authenticate = async (username, password) => {
      if (username === SERVICE.username) return { identity: { kind: 'service' } };
      const node = parseUsername(username);
      return node ? { identity: { kind: 'device', ...node }, credentialId: password } : null;
    };
    const keep = (facts: object, message: string) => void logged.push(`${message} ${JSON.stringify(facts)}`);
    broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: 0,
      authenticate: (username, password) => authenticate(username, password),
      log: { debug: keep, info: keep, warn: keep },
      limits: { perDevice: 3, perAddress: 12 },
      onLimit: (limit) => limited.push(limit),
      onRefused: ({ node, what }) => refused.push(`${node} ${what}`),
    });
    url = `mqtt://127.0.0.1:${broker.port}`;
  });
  afterEach(async () => {
    for (const one of open) await one.end();
    await broker.close();
  });

  const device = async (
    ...args: Parameters<typeof DeviceClient.connect> extends [unknown, ...infer Rest] ? Rest : never
  ) => {
    const client = await DeviceClient.connect(url, ...args);
    open.push(client);
    return client;
  };
  const service = async (options: Parameters<typeof ServiceClient.connect>[2] = {}) => {
    const client = await ServiceClient.connect(url, SERVICE, options);
    open.push(client);
    return client;
  };
  /** A client that knows no manners: bytes in, packets out. */
  const stranger = async (bytes: Buffer) => {
    const socket = net.connect(broker.port, '127.0.0.1');
    const seen = { packets: [] as Packet[], closed: false };
    const reader = parser().on('packet', (packet) => seen.packets.push(packet));
    socket
      .on('data', (chunk) => void reader.parse(chunk))
      .on('close', () => (seen.closed = true))
      .on('error', () => (seen.closed = true));
    open.push({ end: () => socket.destroy() });
    socket.write(bytes);
    return { socket, seen };
  };
  const connect = (options: object = {}) =>
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clientId: 'c',
      keepalive: 60,
      clean: true,
      username: 'acme/gw',
      password: Buffer.from('p1'),
      ...options,
    });

  it('does not let a device take over the session of the bridge or of another device', async () => {
    const bridge = await service({ clientId: 'slipway-bridge', clean: false });
    await bridge.connection.subscribe([{ filter: SERVICE_FILTER, qos: 1 }]);
    const victim = await device(login('victim'), { clientId: 'mine' });
    const thief = await device(login('gw'), { clientId: 'slipway-bridge', clean: false });
    const other = await device(login('gw'), { clientId: 'mine' });
    await device(login('gw'), { clientId: 'service/slipway-bridge' });
    await other.publish(upTopic(gw, 'status'), 'report');
    await eventually('the bridge hears it', () => bridge.texts().includes('report'));
    expect([bridge.ended, victim.closed, thief.closed, other.closed]).toEqual(['open', false, false, false]);
    expect(thief.texts()).toEqual([]);
  });

  it('closes the older of two connections with the same client id, also while it is closing', async () => {
    for (let round = 0; round < 20; round += 1) {
      const old = await device(login('gw'), { clientId: 'x' });
      // The old one's end and the new one's CONNECT arrive together.
      old.cut();
      const [first, second] = await Promise.all([
        stranger(connect({ clientId: 'x' })),
        stranger(connect({ clientId: 'x' })),
      ]);
      await eventually('both were answered', () => first.seen.packets.length + second.seen.packets.length === 2);
      await eventually('one is left', () => first.seen.closed !== second.seen.closed);
      const third = await stranger(connect({ clientId: 'x' }));
      await eventually(
        'the third alone is left',
        () => first.seen.closed && second.seen.closed && third.seen.packets.length === 1,
      );
      expect(third.seen.closed).toBe(false);
      third.socket.destroy();
      await eventually('it is gone', () => broker.connected().length === 0);
    }
  });

  it('gives each device a clean session, also when it asks for a stored one', async () => {
    const bridge = await service();
    const before = await device(login('gw'), { clientId: 'x', clean: false });
    for (const filter of [deviceFilter('acme', 'gw'), 'slipway/v1/acme/gw/gw/down/+', cmdTopic(gw)])
      await before.subscribe(filter);
    for (const text of ['1', '2', '3']) await bridge.connection.publish(cmdTopic(gw), text, { qos: 1, retain: false });
    await eventually('it hears all', () => before.texts().includes('3'));
    expect(before.texts()).toEqual(['1', '2', '3']);
    await before.leave();
    await bridge.connection.publish(cmdTopic(gw), 'away', { qos: 1, retain: false });
    const { seen } = await stranger(connect({ clientId: 'x', clean: false }));
    await eventually('it is let in', () => seen.packets.length > 0);
    expect(seen.packets).toEqual([expect.objectContaining({ cmd: 'connack', returnCode: 0, sessionPresent: false })]);
  });

  it('keeps no retained message of devices except presence', async () => {
    const one = await device(login('gw'));
    await one.publish(upTopic(gw, 'status'), 'status', { retain: true });
    await one.publish(upTopic(gw, 'presence'), 'presence', { retain: true });
    const late = await service();
    await late.connection.subscribe([{ filter: SERVICE_FILTER, qos: 1 }]);
    await one.publish(upTopic(gw, 'log'), 'end');
    await eventually('the marker arrives', () => late.texts().includes('end'));
    expect(late.texts()).toEqual(['presence', 'end']);
  });

  it('answers "unavailable" while passwords cannot be checked, and keeps connected clients', async () => {
    const before = await device(login('gw'));
    authenticate = () => Promise.reject(new Error('the database is away'));
    const { seen } = await stranger(connect());
    await eventually('it is answered', () => seen.closed);
    expect(seen.packets).toEqual([expect.objectContaining({ cmd: 'connack', returnCode: 3 })]);
    expect(before.closed).toBe(false);
    expect(logged.join('\n')).toContain('the database is away');
  });

  it('cuts off one credential of a device and leaves the other', async () => {
    const [first, second, other] = [
      await device(login('gw', 'p1')),
      await device(login('gw', 'p2')),
      await device(login('other', 'p1')),
    ];
    expect(broker.connected()).toHaveLength(3);
    broker.disconnect('acme', 'gw', 'p1');
    await eventually('the first is cut off', () => first.closed);
    expect([second.closed, other.closed]).toEqual([false, false]);
    broker.disconnect('acme', 'gw');
    await eventually('the second as well', () => second.closed);
    await eventually('they are not listed', () => broker.connected().length === 1);
  });

  it.each([
    ['a CONNECT of 200 MB', Buffer.from([0x10, 0x80, 0x84, 0xaf, 0x5f, 0, 4])],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    [
      'a PUBLISH before CONNECT',
      generate({ cmd: 'publish', topic: 'a', payload: 'b', qos: 0, dup: false, retain: false }),
    ],
    ['a length without end', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff])],
  ])('closes the connection at once on %s', async (_title, bytes) => {
    const { seen } = await stranger(bytes);
    await eventually('it hangs up', () => seen.closed);
    expect(seen.packets).toEqual([]);
  });

  it('closes a connection that floods it before its password was checked', async () => {
    authenticate = () => new Promise(() => undefined);
    const { socket, seen } = await stranger(connect());
    const flood = generate({
      cmd: 'publish',
      topic: 'a',
      payload: Buffer.alloc(10_000),
      qos: 0,
      dup: false,
      retain: false,
    });
    let sent = 0;
    const pour = setInterval(
      () => !seen.closed && socket.writableLength === 0 && (sent += flood.length) && socket.write(flood),
      1,
    );
    await eventually(
      'it hangs up, or does not read',
      () => seen.closed || (sent > 200_000 && socket.writableLength > 0),
      20_000,
    ).finally(() => clearInterval(pour));
    expect(sent).toBeLessThan(20_000_000);
  });

  it('says that it does not speak MQTT 5', async () => {
    const { seen } = await stranger(connect({ protocolVersion: 5 }));
    await eventually('it is answered', () => seen.closed);
    expect(seen.packets).toEqual([expect.objectContaining({ cmd: 'connack', returnCode: 1 })]);
  });

  it('disconnects a device that does not read its messages, while it serves others', async () => {
    const bridge = await service();
    const deaf = await stranger(
      Buffer.concat([
        connect(),
        generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: deviceFilter('acme', 'gw'), qos: 0 }] }),
      ]),
    );
    await eventually('it is subscribed', () => deaf.seen.packets.length === 2);
    deaf.socket.pause();
    const other = await device(login('other'));
    await other.subscribe(deviceFilter('acme', 'other'));
    const payload = Buffer.alloc(8_000, 0x78);
    for (let n = 0; n < 3_000 && broker.connected().length === 3; n += 1)
      await bridge.connection.publish(cmdTopic(gw), payload, { qos: 1, retain: false });
    await bridge.connection.publish(cmdTopic({ ...gw, node: 'other', device: 'other' }), 'served', {
      qos: 1,
      retain: false,
    });
    await eventually('the other is served', () => other.texts().includes('served'));
    await eventually('the deaf one is cut off', () => broker.connected().length === 2);
  });

  it('logs refused attempts of a device, at a limited rate', async () => {
    const one = await device(login('gw'));
    for (let n = 0; n < 30; n += 1) await one.publish(upTopic({ ...gw, node: 'other' }, 'status'), 'forged');
    const refusals = logged.filter((line) => line.startsWith('refused'));
    expect(refusals).toHaveLength(10);
    expect(refusals[0]).toContain('slipway/v1/acme/other/gw/up/status');
  });

  it('limits the number of filters on one connection', async () => {
    const one = await device(login('gw'));
    const granted: number[] = [];
    for (let n = 0; n < 300; n += 1) granted.push(await one.subscribe(`slipway/v1/acme/gw/child-${n}/down/#`));
    expect(granted.filter((qos) => qos === 1)).toHaveLength(256);
  });

  it('says which setting to change when its port is taken', async () => {
    const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
    await expect(startEmbeddedBroker({ host: '127.0.0.1', port: broker.port, authenticate, log })).rejects.toThrow(
      /is taken; set SLIPWAY_MQTT_PORT/,
    );
  });

  it('closes every connection when it stops, also of unauthenticated clients', async () => {
    authenticate = () => new Promise(() => undefined);
    const waiting = await stranger(connect());
    const silent = await stranger(Buffer.alloc(0));
    await broker.close();
    await eventually('they are closed', () => waiting.seen.closed && silent.seen.closed);
  });

  it('ends the oldest connection of a device that has as many as it may, and no other', async () => {
    const other = await device(login('other'));
    const same = await device(login('gw'), { clientId: 'same' });
    const [first, second] = [await device(login('gw')), await device(login('gw'))];
    // It takes the place of its own, which frees one.
    const again = await device(login('gw'), { clientId: 'same' });
    await eventually('its own is ended', () => same.closed);
    expect([first.closed, second.closed, limited]).toEqual([false, false, []]);
    const next = await device(login('gw'));
    await eventually('the oldest is ended', () => first.closed);
    expect([second.closed, again.closed, next.closed, other.closed]).toEqual([false, false, false, false]);
    expect([limited, refused]).toEqual([['perDevice'], ['gw connection']]);
  });

  it('lets no more devices in from one address than may come, and the service all the same', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, (_, n) => device(login(`d-${n}`))));
    await expect(DeviceClient.connect(url, login('one-more'))).rejects.toThrow(/unavailable/i);
    const bridge = await service();
    expect([bridge.ended, limited]).toEqual(['open', ['perAddress']]);
    all[0]!.cut();
    await eventually('one is gone', () => all[0]!.closed && broker.connected().length === 12);
    await device(login('one-more'));
  });

  it('takes no more connections from one address that say nothing than may come', async () => {
    const silent = await Promise.all(Array.from({ length: 13 }, () => stranger(Buffer.alloc(0))));
    await eventually('one is cut off', () => silent.filter(({ seen }) => seen.closed).length === 1);
    expect(limited).toEqual(['perAddress']);
    const left = silent.find(({ seen }) => !seen.closed)!;
    left.socket.destroy();
    await eventually('it has left', () => left.seen.closed);
    // One that was let in takes no place among them.
    for (let n = 0; n < 3; n += 1) {
      const next = await stranger(connect({ clientId: `c-${n}` }));
      await eventually('it is answered', () => next.seen.closed || next.seen.packets.length > 0);
      expect(next.seen.closed).toBe(false);
    }
  });

  it('remembers no message at QoS 2 that it has passed on, and cuts off who leaves too many open', async () => {
    const publish = (messageId: number, payload = Buffer.alloc(60_000, 0x78)) =>
      generate({ cmd: 'publish', topic: upTopic(gw, 'log'), qos: 2, messageId, payload, dup: false, retain: false });
    const before = heldBytes();
    const parked = await stranger(connect());
    await eventually('it is let in', () => parked.seen.packets.length === 1);
    for (let id = 1; id <= 100; id += 1) parked.socket.write(publish(id));
    await eventually('each is answered', () => parked.seen.packets.length === 101);
    await eventually('their 6 MB are let go', () => heldBytes() - before < 3_000_000);
    // The same again is a repetition; one more is too many.
    parked.socket.write(publish(100));
    await eventually('it is answered again', () => parked.seen.packets.length === 102);
    expect(parked.seen.closed).toBe(false);
    parked.socket.write(publish(101));
    await eventually('it is cut off', () => parked.seen.closed);
  });
});

/** What buffers hold of this process, after a collection. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().arrayBuffers;
}
