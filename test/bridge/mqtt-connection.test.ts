import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generate, parser, type Packet } from 'mqtt-packet';
import {
  connectMqtt,
  type MqttConnection,
  type MqttMessage,
  type MqttOptions,
  type MqttRefused,
} from '../../bridge/mqtt/connection.js';
import { eventually } from '../contract/broker-clients.js';

/**
 * The broker's end of one connection, as the test wants it: what a well-behaved one never does is tried here; the rest
 * stands in the broker's contract.
 */
class BrokersEnd {
  readonly got: Packet[] = [];
  closed = false;
  answers: (packet: Packet) => Packet[] = ordinary;

  constructor(readonly socket: net.Socket) {
    const reader = parser({ protocolVersion: 4 }).on('packet', (packet) => {
      this.got.push(packet);
      for (const answer of this.answers(packet)) this.send(answer);
    });
    socket
      .on('data', (chunk) => void reader.parse(chunk))
      .on('close', () => (this.closed = true))
      .on('error', () => (this.closed = true));
  }

  send(...packets: Packet[]): void {
    this.socket.write(Buffer.concat(packets.map((packet) => generate(packet))));
  }

  of<C extends Packet['cmd']>(cmd: C): Extract<Packet, { cmd: C }>[] {
    return this.got.filter((packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === cmd);
  }
}

function ordinary(packet: Packet): Packet[] {
  if (packet.cmd === 'connect') return [{ cmd: 'connack', returnCode: 0, sessionPresent: false }];
  if (packet.cmd === 'publish' && packet.qos === 1) return [{ cmd: 'puback', messageId: packet.messageId ?? 0 }];
  if (packet.cmd === 'subscribe')
    return [
      {
        cmd: 'suback',
        messageId: packet.messageId ?? 0,
        granted: packet.subscriptions.map((one) => (one.topic === 'refused' ? 128 : one.qos)),
      },
    ];
  return packet.cmd === 'pingreq' ? [{ cmd: 'pingresp' }] : [];
}

const message = (messageId: number, payload = `m${messageId}`): Packet => ({
  cmd: 'publish',
  topic: 't',
  payload,
  qos: 1,
  dup: false,
  retain: false,
  messageId,
});
const reliably = { qos: 1, retain: false } as const;

describe('A connection of the bridge', () => {
  let server: net.Server;
  let ends: BrokersEnd[];
  let prepare: (end: BrokersEnd) => void;
  let open: MqttConnection[];

  beforeEach(async () => {
    [ends, open, prepare] = [[], [], () => undefined];
    server = net.createServer((socket) => {
      const end = new BrokersEnd(socket);
      prepare(end);
      ends.push(end);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    for (const connection of open) connection.end();
    for (const end of ends) end.socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  const address = () => `mqtt://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  async function connect(options: Partial<MqttOptions> = {}): Promise<[MqttConnection, BrokersEnd]> {
    const connection = await connectMqtt({
      url: address(),
      clientId: 'bridge',
      clean: false,
      keepaliveSeconds: 60,
      connectTimeoutMs: 2_000,
      maxPacketSize: 10_000,
      ...options,
    });
    open.push(connection);
    return [connection, ends[0]!];
  }

  it('introduces itself as MQTT 3.1.1', async () => {
    const [, broker] = await connect({ username: 'u', password: 'p', keepaliveSeconds: 7 });
    expect(broker.of('connect')[0]).toMatchObject({
      protocolVersion: 4,
      clientId: 'bridge',
      clean: false,
      keepalive: 7,
      username: 'u',
      password: Buffer.from('p'),
    });
  });

  describe('is not made', () => {
    it('when the port is closed', async () => {
      await expect(connect({ url: 'mqtt://127.0.0.1:1' })).rejects.toThrow(/127\.0\.0\.1:1 broke: .*ECONNREFUSED/);
    });
    it('when the broker refuses, and says why', async () => {
      prepare = (end) => (end.answers = () => [{ cmd: 'connack', returnCode: 5, sessionPresent: false }]);
      const failure = await connect().catch((error: unknown) => error);
      expect(failure).toMatchObject({
        name: 'MqttRefused',
        returnCode: 5,
        message: expect.stringContaining('MQTT_PASSWORD'),
      } satisfies Partial<Record<keyof MqttRefused, unknown>>);
    });
    it('when the broker is silent until the deadline', async () => {
      prepare = (end) => (end.answers = () => []);
      await expect(connect({ connectTimeoutMs: 100 })).rejects.toThrow(/no connection to .* within 100 ms/);
      await eventually('the socket is closed', () => ends[0]?.closed === true);
    });
    it('when no broker is at the address', async () => {
      await expect(connect({ url: 'http://127.0.0.1:1' })).rejects.toThrow(/no broker's address: mqtt:/);
    });
  });

  describe('acknowledges', () => {
    it('in the order of arrival, however the messages are acknowledged, and each once', async () => {
      const [connection, broker] = await connect();
      const heard: MqttMessage[] = [];
      connection.onMessage((one) => heard.push(one));
      broker.send(...[1, 2, 3, 4].map((id) => message(id)));
      await eventually('all arrive', () => heard.length === 4);
      heard[2]!.acknowledge();
      heard[1]!.acknowledge();
      heard[1]!.acknowledge();
      broker.send({ cmd: 'publish', topic: 't', payload: 'zero', qos: 0, dup: false, retain: false });
      await eventually('the next arrives', () => heard.length === 5);
      expect(broker.of('puback')).toEqual([]);
      heard[0]!.acknowledge();
      heard[4]!.acknowledge();
      await eventually('three are acknowledged', () => broker.of('puback').length === 3);
      expect(broker.of('puback').map((packet) => packet.messageId)).toEqual([1, 2, 3]);
    });

    it('those behind a message that was passed over, before it', async () => {
      const [connection, broker] = await connect();
      const heard: MqttMessage[] = [];
      connection.onMessage((one) => heard.push(one));
      broker.send(...[1, 2, 3, 4].map((id) => message(id)));
      await eventually('all arrive', () => heard.length === 4);
      for (const one of [2, 3]) heard[one]!.acknowledge();
      heard[0]!.passOver();
      heard[0]!.passOver();
      heard[1]!.passOver();
      await eventually('two are acknowledged', () => broker.of('puback').length === 2);
      heard[1]!.acknowledge();
      heard[1]!.acknowledge();
      await eventually('three are acknowledged', () => broker.of('puback').length === 3);
      expect(broker.of('puback').map((packet) => packet.messageId)).toEqual([3, 4, 2]);
    });

    it('messages that came before the handler was set, even before CONNACK', async () => {
      prepare = (end) =>
        (end.answers = (packet) =>
          packet.cmd === 'connect'
            ? [message(9), { cmd: 'connack', returnCode: 0, sessionPresent: true }, message(10)]
            : []);
      const [connection, broker] = await connect();
      expect(connection.sessionPresent).toBe(true);
      const heard: string[] = [];
      connection.onMessage((one) => {
        heard.push(one.payload.toString());
        one.acknowledge();
      });
      await eventually('both are acknowledged', () => broker.of('puback').length === 2);
      expect(heard).toEqual(['m9', 'm10']);
    });

    it('nothing after it has closed', async () => {
      const [connection, broker] = await connect();
      const heard: MqttMessage[] = [];
      connection.onMessage((one) => heard.push(one));
      broker.send(message(1));
      await eventually('it arrives', () => heard.length === 1);
      broker.socket.destroy();
      expect(await connection.closed).toBeInstanceOf(Error);
      expect(() => heard[0]!.acknowledge()).not.toThrow();
    });
  });

  it('stops reading while too many messages wait for an acknowledgement, and continues afterwards', async () => {
    const [connection, broker] = await connect({ keepaliveSeconds: 1 });
    const heard: MqttMessage[] = [];
    connection.onMessage((one) => heard.push(one));
    const total = 12_000;
    for (let id = 1; id <= total; id += 1) broker.send(message(id, 'x'.repeat(1_000)));
    await eventually('it stops', () => heard.length >= 2_000);
    await eventually('the broker feels it, past two unanswered pings', () => broker.of('pingreq').length >= 3);
    const waiting = heard.length;
    expect(waiting).toBeLessThan(3_000);
    for (let n = 0; n < total; n += 1) {
      await eventually(`message ${n} arrives`, () => heard.length > n);
      heard[n]!.acknowledge();
    }
    await eventually('all are acknowledged', () => broker.of('puback').length === total);
    expect(broker.of('puback').map((packet) => packet.messageId)).toEqual(
      Array.from({ length: total }, (_, n) => n + 1),
    );
  }, 30_000);

  describe('publishes', () => {
    it('and knows that a message of QoS 1 has arrived when its PUBACK came', async () => {
      const [connection, broker] = await connect();
      broker.answers = () => [];
      let arrived = false;
      const sent = connection.publish('t', 'x', reliably).then(() => (arrived = true));
      await eventually('it is there', () => broker.of('publish').length === 1);
      expect(arrived).toBe(false);
      broker.send({ cmd: 'puback', messageId: broker.of('publish')[0]!.messageId ?? 0 });
      await sent;
      await connection.publish('t', 'y', { qos: 0, retain: true });
      await eventually('the other too', () => broker.of('publish').length === 2);
      expect(broker.of('publish')[1]).toMatchObject({ qos: 0, retain: true });
    });

    it('at most 1,000 without an answer, the rest in order when there is room, each under an identifier of its own', async () => {
      const [connection, broker] = await connect();
      broker.answers = () => [];
      const sent = Array.from({ length: 2_500 }, (_, n) => connection.publish('t', `${n}`, reliably));
      await eventually('the window is full', () => broker.of('publish').length === 1_000);
      const first = broker.of('publish');
      expect(new Set(first.map((packet) => packet.messageId)).size).toBe(1_000);
      broker.answers = ordinary;
      for (const { messageId } of first) broker.send({ cmd: 'puback', messageId: messageId ?? 0 });
      await Promise.all(sent);
      expect(broker.of('publish').map((packet) => packet.payload.toString())).toEqual(
        Array.from({ length: 2_500 }, (_, n) => `${n}`),
      );
    });

    it('no more than it can remember', async () => {
      const [connection, broker] = await connect();
      broker.answers = () => [];
      const failures: Error[] = [];
      for (let n = 0; n < 21_001; n += 1)
        connection.publish('t', 'x', reliably).catch((error: Error) => failures.push(error));
      await eventually('the last is refused', () => failures.length === 1);
      expect(failures[0]?.message).toMatch(/does not keep up/);
    });

    it('and says of what was under way that it may not have arrived when the connection breaks', async () => {
      const [connection, broker] = await connect();
      broker.answers = () => [];
      const sent = expect(connection.publish('t', 'x', reliably)).rejects.toThrow(/closed the connection|broke/);
      await eventually('it is there', () => broker.of('publish').length === 1);
      broker.socket.destroy();
      await sent;
      await expect(connection.publish('t', 'y', { qos: 0, retain: false })).rejects.toThrow(/is closed/);
      await expect(connection.subscribe([{ filter: 'a', qos: 1 }])).rejects.toThrow(/is closed/);
    });
  });

  it('speaks TLS, and only to a trusted broker', async () => {
    const pem = (name: string) => readFileSync(new URL(`../fixtures/tls/localhost.${name}.pem`, import.meta.url));
    const secured = tls.createServer(
      { cert: pem('cert'), key: pem('key') },
      (socket) => void ends.push(new BrokersEnd(socket)),
    );
    await new Promise<void>((resolve) => secured.listen(0, '127.0.0.1', resolve));
    try {
      const url = `mqtts://127.0.0.1:${(secured.address() as net.AddressInfo).port}`;
      await expect(connect({ url })).rejects.toThrow(/self-signed certificate/);
      const [connection] = await connect({ url, tls: { ca: pem('cert') } });
      await connection.publish('t', 'x', reliably);
      connection.end();
      await connection.closed;
    } finally {
      secured.close();
    }
  });

  it('subscribes and returns the granted QoS', async () => {
    const [connection] = await connect();
    expect(
      await connection.subscribe([
        { filter: 'a', qos: 1 },
        { filter: 'refused', qos: 1 },
        { filter: 'b', qos: 0 },
      ]),
    ).toEqual([1, 128, 0]);
  });

  describe('ends', () => {
    const failing = async (
      act: (broker: BrokersEnd, connection: MqttConnection) => void,
      options: Partial<MqttOptions> = {},
    ) => {
      const [connection, broker] = await connect(options);
      act(broker, connection);
      const error = await connection.closed;
      await eventually('the socket is closed', () => broker.closed);
      return error?.message;
    };

    it('when a connected broker does not answer a ping', async () => {
      expect(await failing((broker) => (broker.answers = () => []), { keepaliveSeconds: 1 })).toMatch(
        /did not answer a ping/,
      );
    });
    it('when the broker sends what is too large', async () => {
      expect(await failing((broker) => broker.send(message(1, 'x'.repeat(20_000))))).toMatch(
        /over the limit of 10000 bytes/,
      );
    });
    it('when the broker sends what is not MQTT', async () => {
      expect(await failing((broker) => broker.socket.write(Buffer.from([0x00, 0x00])))).toMatch(
        /not MQTT|does not send/,
      );
    });
    it('when the broker sends an unexpected packet', async () => {
      expect(
        await failing((broker) =>
          broker.send({ cmd: 'publish', topic: 't', payload: 'x', qos: 2, messageId: 1, dup: false, retain: false }),
        ),
      ).toMatch(/QoS 2/);
    });
    it('when the handler of a message fails', async () => {
      expect(
        await failing((broker, connection) => {
          connection.onMessage(() => {
            throw new Error('boom');
          });
          broker.send(message(1));
        }),
      ).toMatch(/handler of a message failed/);
    });
    it('with a DISCONNECT when it is ended, once and for all', async () => {
      const [connection, broker] = await connect();
      connection.end();
      connection.end();
      expect(await connection.closed).toBeUndefined();
      await eventually('the broker saw it', () => broker.closed);
      expect(broker.of('disconnect')).toHaveLength(1);
    });
  });
});
