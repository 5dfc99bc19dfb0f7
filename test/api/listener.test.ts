import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listen } from '../../api/http/listener.js';

let http: Awaited<ReturnType<typeof listen>>;
beforeAll(async () => {
  http = await listen('127.0.0.1', 0);
  http.answerWith((request, response) => {
    if (request.url === '/half') response.write('half of an answer');
    else request.resume().once('end', () => response.end('answered'));
  });
});
afterAll(() => http.close());

/** Bytes as they are. @returns the whole answer. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(http.port, '127.0.0.1');
  socket.write(bytes);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('the listener', () => {
  it.each([
    [
      'a query that is too long',
      `GET /?name=${'x'.repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      431,
      'REQUEST_HEADERS_TOO_LARGE',
    ],
    [
      'headers that are too long',
      `GET / HTTP/1.1\r\nHost: x\r\nX-A: ${'x'.repeat(70_000)}\r\n\r\n`,
      431,
      'REQUEST_HEADERS_TOO_LARGE',
    ],
    ['what is no HTTP', 'hello\r\n\r\n', 400, 'REQUEST_VALIDATION'],
    ['a header with a NUL character', 'GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n', 400, 'REQUEST_VALIDATION'],
    ['an invalid length', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400, 'REQUEST_VALIDATION'],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'REQUEST_VALIDATION',
    ],
    [
      'an invalid piece of a body',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
      'REQUEST_VALIDATION',
    ],
  ])('answers %s with the envelope, and closes', async (_what, bytes, status, code) => {
    const [head, body] = (await raw(bytes)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(JSON.parse(body!)).toMatchObject({
      errorCode: code,
      errorMessage: expect.any(String),
      status,
      type: expect.stringMatching(/^urn:slipway:error:/),
      instance: '/',
    });
  });

  it('puts no second answer into one that is on its way', async () => {
    const socket = connect(http.port, '127.0.0.1');
    socket.write('GET /half HTTP/1.1\r\nHost: x\r\n\r\n');
    let answer = '';
    for await (const chunk of socket) {
      if (answer === '') socket.write('hello\r\n\r\n');
      answer += String(chunk);
    }
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(answer).not.toContain('errorCode');
  });
});
