import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import express, { type Response } from 'express';
import { sendLines } from '../../api/http/send-lines.js';
import { until } from '../support/until.js';

const PIECES = 200;
const PIECE = `${'x'.repeat(99_999)}\n`;
const app = express();
const server = createServer(app);
const listeners: number[] = [];
let ended = 0;
let url: string;

async function* pieces(response: Response): AsyncGenerator<string, void> {
  try {
    for (let n = 0; n < PIECES; n += 1) {
      await Promise.resolve();
      listeners.push(response.listenerCount('close'));
      yield PIECE;
    }
  } finally {
    ended += 1;
  }
}

beforeAll(async () => {
  app.get('/', async (_request, response) => void (await sendLines(response, pieces(response))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

async function asked(): Promise<IncomingMessage> {
  const [answer] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  return answer;
}

describe('Lines that are sent as they are made', () => {
  it('wait for a client that reads slowly, with no listener more at each pause', async () => {
    let bytes = 0;
    for await (const chunk of await asked()) {
      bytes += (chunk as Buffer).length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bytes).toBe(PIECES * PIECE.length);
    expect(Math.max(...listeners)).toBeLessThan(10);
  });

  it('end with the client that leaves', async () => {
    const before = ended;
    const answer = await asked();
    answer.destroy();
    await until('the making ends', () => ended > before);
  });
});
