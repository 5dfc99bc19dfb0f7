import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Limited } from '../../api/http/limited.js';
import { listen, listenWithTls } from '../../api/http/listener.js';
import { developmentCertificates } from '../../workers/embedded/development-tls.js';
import { eventually } from '../contract/broker-clients.js';
import { startApi } from './api-under-test.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-edge-'));
let context: { cert: string; key: string };
let ca: string;
beforeAll(async () => {
  const { files, authorityPath } = await developmentCertificates(folder, []);
  context = { cert: readFileSync(files.certPath, 'utf8'), key: readFileSync(files.keyPath, 'utf8') };
  ca = readFileSync(authorityPath, 'utf8');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a limit said, and how often it was counted. */
function noted() {
  const said: string[] = [];
  const limited = new Limited({ warn: (_facts, sentence) => void said.push(sentence) });
  return { said, limited };
}

/** A client that sends these bytes and no more; `heard` is what it was answered. */
function client(port: number, bytes = '') {
  const socket: Socket = connect(port, '127.0.0.1');
  const seen = { socket, heard: '', closed: false };
  socket.on('data', (chunk) => (seen.heard += String(chunk))).on('error', () => undefined);
  socket.on('close', () => (seen.closed = true));
  if (bytes !== '') socket.write(bytes);
  return seen;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

describe('Limits at the edge of the API', () => {
  it('connections of one address: a further one is closed, and has room once another ends', async () => {
    const { said, limited } = noted();
    const http = await listen('127.0.0.1', 0, { connectionsPerAddress: 2 }, limited);
    http.answerWith((_request, response) => void response.end('ok'));
    const [first, second] = [client(http.port, GET), client(http.port, GET)];
    await eventually('both are answered', () => first.heard.includes('ok') && second.heard.includes('ok'));
    const third = client(http.port, GET);
    await eventually('the third is closed', () => third.closed);
    expect([third.heard, limited.counts.get('connections')]).toEqual(['', 1]);
    expect(said).toEqual(['2 connections of one address are open: a further one was closed']);
    first.socket.destroy();
    let answered = false;
    for (let tries = 0; !answered && tries < 100; tries += 1) {
      const next = client(http.port, GET);
      await eventually('it is answered or closed', () => next.closed || next.heard !== '');
      answered = next.heard.includes('ok');
      next.socket.destroy();
    }
    expect(answered).toBe(true);
    second.socket.destroy();
    await http.close();
  });

  it('connections of a trusted proxy are those of many: they have no limit', async () => {
    const limits = { connectionsPerAddress: 1, trustedProxies: ['10.0.0.1', '127.0.0.0/8'] };
    const http = await listen('127.0.0.1', 0, limits);
    http.answerWith((_request, response) => void response.end('ok'));
    const all = [1, 2, 3].map(() => client(http.port, GET));
    await eventually('all are answered', () => all.every(({ heard }) => heard.includes('ok')));
    for (const { socket } of all) socket.destroy();
    await http.close();
  });

  it('headers that do not arrive: 408, and the connection ends', async () => {
    const { said, limited } = noted();
    const http = await listen('127.0.0.1', 0, { headersTimeoutMs: 1_000 }, limited);
    const slow = client(http.port, 'GET / HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => slow.socket.writable && slow.socket.write('X-A: b\r\n'), 100);
    await eventually('it is closed', () => slow.closed);
    clearInterval(drip);
    expect(slow.heard).toMatch(/^HTTP\/1.1 408 [^]*REQUEST_TIMEOUT/);
    expect(limited.counts.get('headers')).toBe(1);
    expect(said).toEqual(['a connection was closed: the headers did not arrive within 1 s']);
    await http.close();
  });

  it.each([false, true])('an upload that drips is ended with 408, one that moves is not; TLS: %s', async (isTls) => {
    const { said, limited } = noted();
    const limits = { uploadBytesPerSecond: 1_000, uploadWindowMs: 1_200 };
    const http = isTls
      ? await listenWithTls('127.0.0.1', 0, context, limits, limited)
      : await listen('127.0.0.1', 0, limits, limited);
    const begun: Promise<unknown>[] = [];
    http.answerWith((request, response) => {
      const taken = (async () => {
        let size = 0;
        for await (const chunk of request) size += (chunk as Buffer).length;
        response.end(`${size} bytes`);
      })();
      begun.push(taken.catch(() => undefined));
    });
    const upload = (every: string) => {
      const socket = isTls ? tls.connect({ port: http.port, host: '127.0.0.1', ca }) : connect(http.port, '127.0.0.1');
      const seen = { heard: '', closed: false, sent: 0, socket };
      socket.on('data', (chunk) => (seen.heard += String(chunk))).on('error', () => undefined);
      socket.on('close', () => (seen.closed = true));
      socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n');
      const drip = setInterval(() => {
        if (!socket.writable || seen.sent >= 100_000) return clearInterval(drip);
        const next = every.slice(0, 100_000 - seen.sent);
        seen.sent += next.length;
        socket.write(next);
      }, 20);
      return seen;
    };
    const [dripping, moving] = [upload('x'), upload('x'.repeat(500))];
    await eventually('the slow one is ended', () => dripping.closed);
    expect(dripping.heard).toMatch(/^HTTP\/1.1 408 [^]*slower than 1000 bytes a second/);
    await eventually('the other is whole', () => moving.heard.includes('100000 bytes'));
    expect([limited.counts.get('slow_upload'), said]).toEqual([
      1,
      ['an upload was ended: the body came slower than 1000 bytes a second'],
    ]);
    moving.socket.destroy();
    await Promise.all(begun);
    await http.close();
  });

  it('time in which the API itself did not read counts against no upload', async () => {
    const { limited } = noted();
    const http = await listen('127.0.0.1', 0, { uploadBytesPerSecond: 1_000, uploadWindowMs: 300 }, limited);
    let go: () => void = () => undefined;
    const stalled = new Promise<void>((resolve) => (go = resolve));
    http.answerWith((request, response) => {
      void stalled.then(() => request.resume().once('end', () => response.end('taken')));
    });
    const body = 'x'.repeat(1_000_000);
    const sender = client(http.port, `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    const until = performance.now() + 1_000;
    await eventually('three windows have passed', () => performance.now() > until);
    go();
    await eventually('it is answered', () => sender.heard.includes('taken'));
    expect(limited.counts.get('slow_upload')).toBe(0);
    sender.socket.destroy();
    await http.close();
  });

  it('handshakes: one that does not end is closed, and of one address only so many begin in a minute', async () => {
    const { said, limited } = noted();
    const limits = { handshakeTimeoutMs: 1_000, handshakesPerAddress: 30 };
    const http = await listenWithTls('127.0.0.1', 0, context, limits, limited);
    const silent = client(http.port);
    await eventually('the silent one is closed', () => silent.closed);
    expect([limited.counts.get('handshake'), said]).toEqual([
      1,
      ['a connection was closed: its handshake took over 1 s'],
    ]);
    const begun = [1, 2, 3, 4, 5, 6].map(() => tls.connect({ port: http.port, host: '127.0.0.1', ca }));
    let [done, refused] = [0, 0];
    for (const socket of begun) socket.once('secureConnect', () => (done += 1)).once('error', () => (refused += 1));
    await eventually('each is through or refused', () => done + refused === 6);
    // Those of ten seconds may come at once: five, of which the silent one was the first.
    expect(done).toBeLessThanOrEqual(5);
    expect(refused).toBeGreaterThanOrEqual(1);
    expect(said.at(-1)).toMatch(/^more than 30 handshakes a minute begin at one address/);
    for (const socket of begun) socket.destroy();
    await http.close();
  });
});

describe('Limits of requests', () => {
  it('are counted in /metrics, by the limit, and enrolments have one of their own', async () => {
    const certificateEnds = async () => ({ tls: Date.now() + 86_400_000, device_authority: undefined });
    const limits = { rates: { enrolmentsPerAddress: 6 }, bodyTimeoutMs: 200 };
    const api = await startApi('edge', { ...limits, certificateEnds });
    const enrol = () =>
      fetch(`${api.url}/v1/enrolments`, { method: 'POST', headers: { authorization: 'Bearer slpe_x' }, body: '{}' });
    const statuses = [(await enrol()).status, (await enrol()).status];
    expect(statuses).toEqual([401, 429]);
    const port = Number(new URL(api.url).port);
    const late = client(
      port,
      `POST /v1/device-types HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.token}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
    );
    await eventually('the late body is refused', () => late.heard.includes('REQUEST_TIMEOUT'));
    late.socket.destroy();
    const text = await (await fetch(`${api.url}/metrics`)).text();
    expect(text).toContain('slipway_http_limited_total{limit="enrolments"} 1');
    expect(text).toContain('slipway_http_limited_total{limit="body"} 1');
    expect(text).toContain('slipway_http_limited_total{limit="connections"} 0');
    expect(text).toMatch(/slipway_certificate_expires_seconds\{certificate="tls"\} 86\d{3}/);
    expect(text).not.toContain('certificate="device_authority"');
    await api.close();
  }, 60_000);
});
