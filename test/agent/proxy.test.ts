import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { proxyFor } from '../../agent/core/proxy.js';
import { FileServer, type ServedFile } from './file-server.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';

describe('The proxy of the environment', () => {
  const env = { HTTPS_PROXY: 'http://secure:3128', HTTP_PROXY: 'plain:3128' };
  it.each([
    ['https goes through HTTPS_PROXY', 'https://a.example/x', env, 'http://secure:3128/'],
    ['http goes through HTTP_PROXY, also without a scheme', 'http://a.example/x', env, 'http://plain:3128/'],
    ['the small name wins', 'https://a.example/', { ...env, https_proxy: 'http://small:1' }, 'http://small:1/'],
    ['no proxy without a variable', 'https://a.example/', {}, undefined],
    ['an empty variable counts as absent', 'https://a.example/', { HTTPS_PROXY: '' }, undefined],
    ['a host of NO_PROXY goes directly', 'https://a.example/', { ...env, NO_PROXY: 'b.example, A.example' }, undefined],
    ['so do its subdomains', 'https://x.a.example/', { ...env, NO_PROXY: 'a.example' }, undefined],
    ['also with a dot before it', 'https://x.a.example/', { ...env, NO_PROXY: '.a.example' }, undefined],
    ['but not what only ends like it', 'https://xa.example/', { ...env, NO_PROXY: 'a.example' }, 'http://secure:3128/'],
    ['a port there means that port', 'https://a.example:8443/', { ...env, no_proxy: 'a.example:8443' }, undefined],
    ['and no other', 'https://a.example/', { ...env, no_proxy: 'a.example:8443' }, 'http://secure:3128/'],
    ['an address of IPv6', 'http://[::1]:80/', { ...env, no_proxy: '::1' }, undefined],
    ['* means all', 'https://a.example/', { ...env, no_proxy: '*' }, undefined],
  ])('%s', (_sentence, url, variables, expected) => {
    expect(proxyFor(new URL(url), variables)?.href).toBe(expected);
  });
});

/** Asks plain addresses itself and makes tunnels for the others; only with its login. */
class Proxy {
  readonly seen: string[] = [];
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server);
    const isKnown = ({ headers }: IncomingMessage) =>
      headers['proxy-authorization'] === `Basic ${Buffer.from('me:a b').toString('base64')}`;
    server.on('connection', (socket) => void proxy.sockets.add(socket));
    server.on('request', (asked, answer) => {
      proxy.seen.push(`${asked.method} ${asked.url}`);
      if (!isKnown(asked)) return void answer.writeHead(407).end();
      request(asked.url ?? '', { headers: asked.headers }, (found) => {
        answer.writeHead(found.statusCode ?? 502, found.headers);
        found.pipe(answer);
      }).end();
    });
    server.on('connect', (asked, near: Socket) => {
      proxy.seen.push(`${asked.method} ${asked.url}`);
      if (!isKnown(asked)) return void near.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      const far = connect(Number(asked.url?.split(':')[1]), '127.0.0.1', () => {
        near.write('HTTP/1.1 200 OK\r\n\r\n');
        far.pipe(near).pipe(far);
      });
      for (const socket of [near, far]) {
        proxy.sockets.add(socket);
        socket.on('error', () => (near.destroy(), far.destroy()));
      }
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return proxy;
  }

  get url(): string {
    return `http://me:a%20b@127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((done) => this.server.close(() => done()));
  }
}

describe('slipway-agent behind a proxy', () => {
  const keys = mkdtempSync(join(tmpdir(), 'slipway-proxy-'));
  let service: TestService;
  let files: FileServer;
  let file: ServedFile;
  let proxy: Proxy;
  let agent: RealAgent;
  beforeAll(async () => {
    files = await FileServer.start();
    file = files.file('1.5.0', 300_000);
    const command = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost
      -addext subjectAltName=DNS:localhost -keyout ${keys}/key.pem -out ${keys}/cert.pem`;
    execFileSync('openssl', command.split(/\s+/), { stdio: 'ignore' });
  });
  afterAll(async () => {
    await files.stop();
    rmSync(keys, { recursive: true });
  });
  beforeEach(async () => {
    [service, proxy] = await Promise.all([TestService.start(), Proxy.start()]);
    agent = await RealAgent.create(service.url);
    await agent.configure({ slots: { firmware: {} } });
  });
  afterEach(async () => {
    await agent.remove();
    await Promise.all([service.stop(), proxy.stop()]);
  });
  const start = (variables: Record<string, string>) =>
    agent.start({ under: ['env', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)] });

  it('fetches over HTTP through HTTP_PROXY, and directly what NO_PROXY names', async () => {
    start({ HTTP_PROXY: proxy.url });
    await service.publish('d-1', documentFor(file));
    await service.status('d-1', 'installed', 30_000);
    expect(proxy.seen).toEqual([`GET ${file.url}`]);
    await agent.end('SIGTERM');
    start({ HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' });
    const next = documentFor(files.file('1.6.0', 10_000), { revision: 2 });
    await service.publish('d-1', next);
    await service.until(() => service.states('d-1', next.installationId).includes('installed'), 'the next', 30_000);
    expect(proxy.seen).toHaveLength(1);
  });

  it('fetches over HTTPS in a tunnel through HTTPS_PROXY', async () => {
    const store = createTlsServer(
      { key: readFileSync(join(keys, 'key.pem')), cert: readFileSync(join(keys, 'cert.pem')) },
      (_request, answer) => void answer.writeHead(200, { 'content-length': file.bytes.length }).end(file.bytes),
    );
    await new Promise<void>((done) => store.listen(0, '127.0.0.1', done));
    try {
      const { port } = store.address() as AddressInfo;
      start({ HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: join(keys, 'cert.pem') });
      await service.publish('d-1', documentFor({ ...file, url: `https://localhost:${port}/1.5.0` }));
      await service.status('d-1', 'installed', 30_000);
      expect(proxy.seen).toEqual([`CONNECT localhost:${port}`]);
    } finally {
      store.closeAllConnections();
      await new Promise<void>((done) => store.close(() => done()));
    }
  });

  it('says what a proxy answered that lets no one through', async () => {
    start({ HTTPS_PROXY: proxy.url.replace('me:', 'stranger:') });
    const desired = documentFor({ ...file, url: 'https://localhost:9/1.5.0' });
    await service.publish('d-1', { ...desired, policy: { ...desired.policy, retryDownload: 0 } });
    expect((await service.status('d-1', 'failed', 30_000)).error).toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('the proxy answered 407'),
    });
  });
});
