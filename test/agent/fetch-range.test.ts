import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fetchFrom, type Pace } from '../../agent/core/fetch-range.js';

let server: Server;
let connections: Socket[];
let respond: (socket: Socket) => void;
beforeEach(async () => {
  connections = [];
  server = createServer((socket) => {
    connections.push(socket);
    socket.on('error', () => socket.destroy());
    socket.once('data', () => respond(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of connections) socket.destroy();
  await new Promise<void>((done) => server.close(() => done()));
});

const address = (path = '/file') => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
const ask = (size: number, more: { url?: string; signal?: AbortSignal; silence?: number; slowest?: Pace } = {}) =>
  fetchFrom({ url: address(), from: 0, etag: undefined, size, signal: new AbortController().signal, ...more });

/**
 * @param turns of the event loop that the device takes for each of the first pieces: what the network holds meanwhile
 * comes in
 */
async function read(pieces: AsyncIterable<Buffer>, turns = 0): Promise<Buffer> {
  const received: Buffer[] = [];
  for await (const piece of pieces) {
    for (let turn = 0; turn < turns && received.length < 3; turn += 1) await nextTurn();
    received.push(piece);
  }
  return Buffer.concat(received);
}

const OK = 'HTTP/1.1 200 OK\r\nConnection: close\r\n';

describe('a server that closes after its last byte, and a device that reads slowly', () => {
  // Which of the buffers on the way is full when the end comes is a matter of the size; 128 and 200 kB once ended the
  // whole agent.
  const sizes = [10_000, 65_536, 100_000, 131_072, 200_000, 1_000_000, 8_000_000];
  it.each(sizes)('all of %i bytes arrive', async (size) => {
    const bytes = randomBytes(size);
    respond = (socket) => {
      socket.write(`${OK}Content-Length: ${size}\r\n\r\n`);
      socket.end(bytes);
    };
    expect((await read((await ask(size)).pieces, 200)).equals(bytes)).toBe(true);
  });

  it.each(sizes)('all of %i bytes arrive where only the end of the connection says where they end', async (size) => {
    const bytes = randomBytes(size);
    respond = (socket) => {
      socket.write(`${OK}\r\n`);
      socket.end(bytes);
    };
    expect((await read((await ask(size)).pieces, 200)).equals(bytes)).toBe(true);
  });

  it.each(sizes)(
    'one that hangs up before %i bytes are complete is a connection that broke, and will be tried again',
    async (size) => {
      respond = (socket) => {
        socket.write(`${OK}Content-Length: ${size}\r\n\r\n`);
        socket.end(randomBytes(size - 1));
      };
      await expect(read((await ask(size)).pieces, 200)).rejects.toMatchObject({
        name: 'UnreachableError',
        passing: true,
        message: expect.stringMatching(/^the connection broke: /),
      });
    },
  );

  it('one that breaks the connection before the device begins to read is the same', async () => {
    respond = (socket) => socket.write(`${OK}Content-Length: 1000\r\n\r\n`, () => socket.resetAndDestroy());
    const { pieces } = await ask(1000);
    for (let turn = 0; turn < 200; turn += 1) await nextTurn();
    await expect(read(pieces)).rejects.toMatchObject({ name: 'UnreachableError', passing: true });
  });
});

describe('a server that stops sending', () => {
  const silent = { name: 'UnreachableError', passing: true, message: expect.stringMatching(/for 100 ms$/) };

  it('before its answer: the try ends', async () => {
    respond = () => undefined;
    await expect(ask(1000, { silence: 100 })).rejects.toMatchObject(silent);
  });

  it('in the middle of it: the try ends, and so does the connection', async () => {
    respond = (socket) => void socket.write(`${OK}Content-Length: 1000\r\n\r\nand then`);
    const { pieces } = await ask(1000, { silence: 100 });
    await expect(read(pieces)).rejects.toMatchObject(silent);
    if (!connections[0]!.closed) await once(connections[0]!, 'close');
  });

  it('is not one whose device takes its time', async () => {
    const bytes = randomBytes(1_000_000);
    respond = (socket) => {
      socket.write(`${OK}Content-Length: ${bytes.length}\r\n\r\n`);
      socket.end(bytes);
    };
    const { pieces } = await ask(bytes.length, { silence: 50 });
    const received: Buffer[] = [];
    for await (const piece of pieces) {
      const until = Date.now() + (received.length === 0 ? 120 : 0);
      while (Date.now() < until) await nextTurn();
      received.push(piece);
    }
    expect(Buffer.concat(received).equals(bytes)).toBe(true);
  });
});

describe('where the bytes are', () => {
  it('a server may send on three times, also to a relative address', async () => {
    const paths: string[] = [];
    respond = (socket) =>
      socket.end(
        paths.push('') <= 3
          ? `HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /${paths.length}?a=%2F\r\n\r\n`
          : `${OK}Content-Length: 2\r\n\r\nok`,
      );
    expect(String(await read((await ask(2)).pieces))).toBe('ok');
    respond = (socket) =>
      socket.end(`HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /again\r\n\r\n`);
    connections.length = 0;
    await expect(ask(2)).rejects.toMatchObject({
      name: 'UnreachableError',
      passing: false,
      message: 'the server answered 302',
    });
    expect(connections).toHaveLength(4);
  });

  it.each(['no address', 'ftp://127.0.0.1/file'])('"%s" is not tried again', async (url) => {
    await expect(ask(2, { url })).rejects.toMatchObject({ name: 'UnreachableError', passing: false });
  });

  it('a withdrawn download ends at once, and its connection with it', async () => {
    respond = (socket) => void socket.write(`${OK}Content-Length: 1000\r\n\r\nand then`);
    const withdrawal = new AbortController();
    const { pieces } = await ask(1000, { signal: withdrawal.signal });
    const reading = read(pieces);
    withdrawal.abort();
    await expect(reading).rejects.toThrow();
    if (!connections[0]!.closed) await once(connections[0]!, 'close');
  });
});

describe('a connection that is slower than the slowest line', () => {
  it('ends, so that it is begun again where it was', async () => {
    respond = (socket) => {
      socket.write(`${OK}Content-Length: 1000000\r\n\r\n`);
      const timer = setInterval(() => socket.write('x'), 20);
      socket.on('close', () => clearInterval(timer));
    };
    const { pieces } = await ask(1_000_000, { slowest: { bytes: 10_000, inMs: 300 } });
    await expect(read(pieces)).rejects.toThrow(/^only \d+ bytes came in 0 s$/);
  });

  it('does not count the time that the device itself takes', async () => {
    const bytes = randomBytes(400_000);
    respond = (socket) => {
      socket.write(`${OK}Content-Length: ${bytes.length}\r\n\r\n`);
      socket.end(bytes);
    };
    const { pieces } = await ask(bytes.length, { slowest: { bytes: 1_000_000_000, inMs: 3_000 } });
    const received: Buffer[] = [];
    const begun = performance.now();
    for await (const piece of pieces) {
      const until = performance.now() + (received.length === 0 ? 3_500 : 0);
      while (performance.now() < until) await sleep(50);
      received.push(piece);
    }
    expect(performance.now() - begun).toBeGreaterThan(3_000);
    expect(Buffer.concat(received).equals(bytes)).toBe(true);
  });
});
