import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startEmbeddedBroker, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { cmdTopic } from '../../protocol/mqtt/topics.js';
import { developmentCertificates, type DevelopmentTls } from '../../workers/embedded/development-tls.js';
import { DeviceClient, eventually, ServiceClient } from '../contract/broker-clients.js';

const SERVICE = { username: 'slipway', password: 's' };
const gw = { tenant: 'acme', node: 'gw', device: 'gw' };
const LOGIN = { username: 'acme/gw', password: 'p' };
const contextOf = ({ files }: DevelopmentTls) => ({
  cert: readFileSync(files.certPath, 'utf8'),
  key: readFileSync(files.keyPath, 'utf8'),
});

describe('The embedded broker with TLS', () => {
  let folder: string;
  let made: DevelopmentTls;
  let ca: string;
  let broker: EmbeddedBroker;
  let limited: string[];
  let open: { end(): unknown }[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'slipway-tls-'));
    made = await developmentCertificates(join(folder, 'one'), []);
    ca = readFileSync(made.authorityPath, 'utf8');
    [limited, open] = [[], []];
    const silent = () => undefined;
    broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: 0,
      tls: { port: 0, context: contextOf(made) },
      authenticate: async (username) =>
        username === SERVICE.username
          ? { identity: { kind: 'service' } }
          : { identity: { kind: 'device', ...parseUsername(username)! }, credentialId: 'p' },
      log: { debug: silent, info: silent, warn: silent },
      limits: { perDevice: 3, perAddress: 5 },
      onLimit: (limit) => limited.push(limit),
    });
  });
  afterEach(async () => {
    for (const one of open) await one.end();
    await broker.close();
    rmSync(folder, { recursive: true });
  });

  const kept = <T extends { end(): unknown }>(one: T): T => {
    open.push(one);
    return one;
  };
  const device = async (options: object = {}) =>
    kept(await DeviceClient.connect(`mqtts://127.0.0.1:${broker.tlsPort}`, LOGIN, { ca, ...options }));
  const handshake = async (options: tls.ConnectionOptions = {}) => {
    const socket = tls.connect({ host: '127.0.0.1', port: broker.tlsPort!, ca, ...options });
    kept({ end: () => socket.destroy() });
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return socket;
  };

  it('delivers between a device with TLS and the service without', async () => {
    const service = kept(await ServiceClient.connect(`mqtt://127.0.0.1:${broker.port}`, SERVICE));
    const client = await device();
    expect(await client.subscribe(cmdTopic(gw))).toBe(1);
    await service.connection.publish(cmdTopic(gw), '{"v":1}', { qos: 1, retain: false });
    await eventually('the command arrives', () => client.texts().includes('{"v":1}'));
  });

  it('is not believed by a client that knows another authority, and speaks no TLS 1.1', async () => {
    const other = await developmentCertificates(join(folder, 'two'), []);
    await expect(handshake({ ca: readFileSync(other.authorityPath, 'utf8') })).rejects.toThrow(/certificate|issuer/);
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(handshake(old)).rejects.toThrow(/version|protocol/);
  });

  it('takes a renewed certificate for new connections, and cuts none that is open', async () => {
    const client = await device();
    const before = (await handshake()).getPeerCertificate().fingerprint256;
    const next = await developmentCertificates(join(folder, 'one'), ['192.0.2.1']);
    broker.renewTls(contextOf(next));
    expect((await handshake()).getPeerCertificate().fingerprint256).not.toBe(before);
    expect(await client.subscribe(cmdTopic(gw))).toBe(1);
    expect(client.closed).toBe(false);
  });

  it('resumes a session by its ticket', async () => {
    let session: Buffer | undefined;
    const first = await handshake();
    first.on('session', (ticket: Buffer) => (session = ticket));
    await eventually('a ticket arrives', () => session !== undefined);
    expect((await handshake({ session })).isSessionReused()).toBe(true);
  });

  it('counts strangers by their address before the handshake, and continues when they leave', async () => {
    const silent = Array.from({ length: 5 }, () => net.connect(broker.tlsPort!, '127.0.0.1'));
    for (const socket of silent) kept({ end: () => socket.destroy() });
    await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    await expect(handshake()).rejects.toThrow(/disconnected|reset|hang up/i);
    expect(limited).toContain('perAddress');
    for (const socket of silent) socket.destroy();
    await eventually('a place is free', () => silent.every((socket) => socket.closed));
    // The broker sees the ends a moment after this side.
    let client: DeviceClient | undefined;
    for (let tries = 0; !client && tries < 50; tries += 1) client = await device().catch(() => undefined);
    expect(client?.closed).toBe(false);
  });

  it('continues after bytes that are no TLS', async () => {
    const socket = net.connect(broker.tlsPort!, '127.0.0.1');
    kept({ end: () => socket.destroy() });
    socket.on('error', () => undefined).write('GET / HTTP/1.1\r\n\r\n');
    await eventually('it is closed', () => socket.destroyed || socket.readyState === 'closed');
    expect((await device()).closed).toBe(false);
  });
});
