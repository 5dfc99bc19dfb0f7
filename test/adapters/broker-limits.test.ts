import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startEmbeddedBroker, type ConnectionLimits, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { SERVICE_FILTER, upTopic } from '../../protocol/mqtt/topics.js';
import { developmentCertificates } from '../../workers/embedded/development-tls.js';
import { DeviceClient, eventually, ServiceClient } from '../contract/broker-clients.js';

const SERVICE = { username: 'slipway', password: 's' };
const gw = { tenant: 'acme', node: 'gw', device: 'gw' };
const LOGIN = { username: 'acme/gw', password: 'p' };
const BASE = { perDevice: 10, perAddress: 100 };

describe('Limits at the edge of the embedded broker', () => {
  let folder: string;
  let context: { cert: string; key: string };
  let ca: string;
  let broker: EmbeddedBroker;
  let limited: string[];
  let said: string[];
  let open: { end(): unknown }[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'slipway-limits-'));
    const { files, authorityPath } = await developmentCertificates(folder, []);
    context = { cert: readFileSync(files.certPath, 'utf8'), key: readFileSync(files.keyPath, 'utf8') };
    ca = readFileSync(authorityPath, 'utf8');
    [limited, said, open] = [[], [], []];
  });
  afterEach(async () => {
    for (const one of open) await one.end();
    await broker.close();
    rmSync(folder, { recursive: true });
  });

  const start = async (limits: Partial<ConnectionLimits>) => {
    const keep = (facts: object, message: string) => void said.push(`${message} ${JSON.stringify(facts)}`);
    broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: 0,
      tls: { port: 0, context },
      authenticate: async (username) =>
        username === SERVICE.username
          ? { identity: { kind: 'service' } }
          : { identity: { kind: 'device', ...parseUsername(username)! }, credentialId: 'p' },
      log: { debug: () => undefined, info: keep, warn: keep },
      limits: { ...BASE, ...limits },
      onLimit: (limit) => limited.push(limit),
    });
    return `mqtt://127.0.0.1:${broker.port}`;
  };
  const kept = <T extends { end(): unknown }>(one: T): T => {
    open.push(one);
    return one;
  };

  it('messages of one connection in a second: more wait, in their order, none is lost, and others do not', async () => {
    const url = await start({ messagesPerSecond: 10 });
    const service = kept(await ServiceClient.connect(url, SERVICE));
    await service.connection.subscribe([{ filter: SERVICE_FILTER, qos: 1 }]);
    const fast = kept(await DeviceClient.connect(url, LOGIN));
    const topic = upTopic(gw, 'log');
    const began = performance.now();
    const texts = Array.from({ length: 120 }, (_, number) => String(number));
    const sent = Promise.all(texts.map((text) => fast.publish(topic, text)));
    await eventually('it is slowed', () => limited.includes('messages'));
    const other = kept(await DeviceClient.connect(url, { username: 'acme/other', password: 'p' }));
    await other.publish(upTopic({ tenant: 'acme', node: 'other', device: 'other' }, 'log'), 'at once');
    await sent;
    // Those of ten seconds, a hundred, come at once; the other twenty at ten a second.
    expect(performance.now() - began).toBeGreaterThan(1_500);
    const heard = () =>
      service.heard.filter((message) => message.topic === topic).map(({ payload }) => String(payload));
    await eventually('all arrive', () => heard().length === 120);
    expect(heard()).toEqual(texts);
    expect(limited).toEqual(['messages']);
    expect(said.join()).toContain('slowed: it sends more than 10 messages a second');
  }, 60_000);

  it('a connection that closes while its messages wait leaves nothing', async () => {
    const url = await start({ messagesPerSecond: 1 });
    const fast = kept(await DeviceClient.connect(url, LOGIN));
    for (let number = 0; number < 50; number += 1) void fast.publish(upTopic(gw, 'log'), 'x').catch(() => undefined);
    await eventually('it is slowed', () => limited.includes('messages'));
    fast.cut();
    await eventually('it is gone', () => broker.connected().length === 0);
  });

  it('bytes before it was let in: one more ends the connection', async () => {
    await start({ bytesBeforeConnect: 2_000 });
    const socket = net.connect(broker.port, '127.0.0.1');
    kept({ end: () => socket.destroy() });
    socket.on('error', () => undefined);
    // The head of a CONNECT that says it has 3,000 bytes.
    socket.write(Buffer.concat([Buffer.from([0x10, 0xb8, 0x17]), Buffer.alloc(2_500, 1)]));
    await eventually('it is closed', () => socket.destroyed || socket.readyState === 'closed');
    expect(limited).toEqual(['bytes']);
    expect(said.join()).toContain('a client was cut off');
  });

  it('handshakes: one that does not end is closed, and of one address only so many begin in a minute', async () => {
    await start({ handshakes: { timeoutMs: 500, perMinute: 30 } });
    const silent = net.connect(broker.tlsPort!, '127.0.0.1');
    kept({ end: () => silent.destroy() });
    await eventually('the silent one is closed', () => silent.destroyed || silent.readyState === 'closed');
    expect(limited).toEqual(['handshake']);
    expect(said.join()).toContain('a handshake took over 0.5 s');
    const begun = [1, 2, 3, 4, 5, 6].map(() => tls.connect({ port: broker.tlsPort!, host: '127.0.0.1', ca }));
    let [done, refused] = [0, 0];
    for (const socket of begun) {
      kept({ end: () => socket.destroy() });
      socket.once('secureConnect', () => (done += 1)).once('error', () => (refused += 1));
    }
    await eventually('each is through or refused', () => done + refused === 6);
    expect(refused).toBeGreaterThanOrEqual(1);
    expect(said.join()).toContain('too many handshakes begin at its address');
  });
});
