import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { isPrivate } from '../../bridge/webhooks/addresses.js';
import { nextLanes, type Candidate } from '../../bridge/webhooks/lanes.js';
import { post } from '../../bridge/webhooks/post.js';

const sockets = new Set<Socket>();
const servers: net.Server[] = [];
const timers: NodeJS.Timeout[] = [];
afterEach(async () => {
  for (const timer of timers.splice(0)) clearInterval(timer);
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen(server: net.Server, answer: (socket: Socket) => void): Promise<number> {
  servers.push(server);
  server.on(server instanceof tls.Server ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
const again = (socket: Socket, text: string) => void timers.push(setInterval(() => socket.write(text), 20));
const what = (url: string) => ({ url, secret: `whsec_${'a'.repeat(43)}=`, id: 'x', event: 'x', body: '{}', now: 0 });

const LATE = 'it did not answer within 10 s';
/** What it does with a request, and what the attempt came to. */
const WAYS: readonly (readonly [string, (socket: Socket) => void, object])[] = [
  ['says nothing', () => undefined, { ok: false, status: null, error: LATE }],
  [
    'switches protocols',
    (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
    { ok: false, status: 101, error: 'it answered 101' },
  ],
  [
    'says to continue, again and again',
    (socket) => again(socket, 'HTTP/1.1 100 Continue\r\n\r\n'),
    { ok: false, status: null },
  ],
  [
    'says half a header',
    (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Len'),
    { ok: false, status: null, error: LATE },
  ],
  [
    'says headers without an end',
    (socket) => (socket.write('HTTP/1.1 200 OK\r\n'), again(socket, `X-More: ${'x'.repeat(100)}\r\n`)),
    { ok: false, status: null },
  ],
  [
    'says a body without an end',
    (socket) => (socket.write('HTTP/1.1 200 OK\r\n\r\n'), again(socket, 'x'.repeat(1_000))),
    { ok: true, status: 200 },
  ],
  [
    'answers as HTTP/1.0, and never closes',
    (socket) => (socket.write('HTTP/1.0 200 OK\r\n\r\n'), again(socket, 'x')),
    { ok: true, status: 200 },
  ],
  [
    'promises bytes that would fill the memory, and sends them compressed',
    (socket) =>
      void socket.write(
        `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${2 ** 40}\r\n\r\n`,
        () => void socket.write(gzipSync(Buffer.alloc(50_000_000))),
      ),
    { ok: true, status: 200 },
  ],
  [
    'redirects to itself',
    (socket) => socket.write('HTTP/1.1 307 Again\r\nLocation: /\r\nContent-Length: 0\r\n\r\n'),
    { ok: false, status: 307, error: 'it answered 307; redirects are not followed' },
  ],
  ['resets the connection', (socket) => socket.resetAndDestroy(), { ok: false, status: null }],
  ['closes the connection', (socket) => socket.end(), { ok: false, status: null }],
  ['says what is not HTTP', (socket) => socket.write('\x16\x03\x01 no\r\n\r\n'), { ok: false, status: null }],
];

describe('An attempt at a receiver ends with every receiver', () => {
  it.each(WAYS)(
    'one that %s',
    async (_does, answer, cameTo) => {
      const port = await listen(net.createServer(), answer);
      expect(await post(what(`http://127.0.0.1:${port}/`), true, new AbortController().signal)).toMatchObject(cameTo);
    },
    120_000,
  );

  it('one that accepts the connection and says nothing, where TLS was wanted', async () => {
    const port = await listen(net.createServer(), () => undefined);
    expect(await post(what(`https://127.0.0.1:${port}/`), true, new AbortController().signal)).toEqual({
      ok: false,
      status: null,
      error: LATE,
    });
  }, 120_000);

  it('one that says half of what begins TLS', async () => {
    const port = await listen(net.createServer(), (socket) => socket.write(Buffer.from('16030300640200', 'hex')));
    expect(await post(what(`https://127.0.0.1:${port}/`), true, new AbortController().signal)).toEqual({
      ok: false,
      status: null,
      error: LATE,
    });
  }, 120_000);

  it('one that says nothing after TLS', async () => {
    const folder = 'test/fixtures/tls';
    const port = await listen(
      tls.createServer({
        key: readFileSync(`${folder}/localhost.key.pem`),
        cert: readFileSync(`${folder}/localhost.cert.pem`),
      }),
      () => undefined,
    );
    // Certificates are trusted by a variable that a process reads when it begins.
    const program = `import { post } from './dist/bridge/webhooks/post.js';
      const came = await post(${JSON.stringify(what(`https://localhost:${port}/`))}, true, new AbortController().signal);
      console.log(JSON.stringify(came));`;
    const said = await new Promise<string>((resolve, reject) =>
      execFile(
        process.execPath,
        ['--input-type=module', '--eval', program],
        { env: { ...process.env, NODE_EXTRA_CA_CERTS: `${folder}/localhost.cert.pem` } },
        (error, out) => (error instanceof Error ? reject(error) : resolve(out)),
      ),
    );
    expect(JSON.parse(said)).toEqual({ ok: false, status: null, error: LATE });
  }, 120_000);

  it('and does not count where the sender ends first', async () => {
    const ending = new AbortController();
    const port = await listen(net.createServer(), () => ending.abort());
    expect(await post(what(`http://127.0.0.1:${port}/`), true, ending.signal)).toBeUndefined();
    expect(await post(what(`http://127.0.0.1:${port}/`), true, ending.signal)).toBeUndefined();
  }, 120_000);
});

describe('Lanes of webhooks', () => {
  const many = (tenantId: string, count: number, dueAt = 0): Candidate[] =>
    Array.from({ length: count }, (_, n) => ({ tenantId, webhookId: `${tenantId}-${n}`, dueAt: dueAt + n }));
  const bounds = { inAll: 6, ofTenant: 4 };
  const names = (chosen: readonly Candidate[]) => chosen.map(({ webhookId }) => webhookId);

  it('are shared out among tenants, the longest due first', () => {
    const waiting = [...many('big', 10), ...many('small', 1, 100), ...many('other', 2, 50)];
    expect(names(nextLanes(waiting, [], bounds))).toEqual(['big-0', 'other-0', 'small-0', 'big-1', 'other-1', 'big-2']);
  });

  it('are bounded in all, and for one tenant', () => {
    expect(names(nextLanes(many('big', 10), [], bounds))).toEqual(['big-0', 'big-1', 'big-2', 'big-3']);
    expect(nextLanes(many('big', 10), ['big', 'big', 'big', 'big'], bounds)).toEqual([]);
    expect(names(nextLanes([...many('big', 10), ...many('small', 9, 100)], ['big', 'big', 'big'], bounds))).toEqual([
      'small-0',
      'small-1',
      'small-2',
    ]);
  });
});

describe("An address of the service's own network", () => {
  it('is distinguished from public addresses', () => {
    for (const address of ['8.8.8.8', '172.15.0.1', '172.32.0.1', '2606:4700::1111', '192.88.98.1', '4000::1'])
      expect([address, isPrivate(address)]).toEqual([address, false]);
    for (const address of [
      '0.0.0.0',
      '172.16.0.1',
      '192.168.1.1',
      '100.64.0.1',
      '::1',
      'fe80::1%eth0',
      'fd00::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      '2002:7f00:1::',
      '::ffff:0:10.0.0.1',
      '192.88.99.1',
      '3fff:fff::1',
      'nonsense',
    ])
      expect([address, isPrivate(address)]).toEqual([address, true]);
  });
});
