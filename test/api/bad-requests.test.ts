import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let api: ApiUnderTest;
beforeAll(async () => (api = await startApi('api_bad_requests')));
afterAll(() => api.close());

/** Bytes as they are, for what fetch would not send. @returns the whole answer. */
async function raw(bytes: string | Buffer): Promise<string> {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  socket.end(bytes);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('a body', () => {
  it.each<[string, string | Uint8Array, number, string]>([
    ['that is not JSON', '{"name": ', 400, ''],
    ['that is empty', '', 400, ''],
    ['that is not UTF-8', new Uint8Array([0x7b, 0x22, 0x6e, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, ''],
    ['with a NUL character in a value', '{"name": "a\\u0000b"}', 400, '/name'],
    [
      'with a NUL character in a name',
      '{"name": "x", "schema": {"attributes": {"a\\u0000": {}}}}',
      400,
      '/schema/attributes/a\ufffd',
    ],
    ['with half of a surrogate pair', '{"name": "\\ud800"}', 400, '/name'],
    [
      'with a number out of range',
      '{"name": "x", "schema": {"attributes": {"a": {"maximum": 1e400}}}}',
      400,
      '/schema/attributes/a/maximum',
    ],
    [
      'with a whole number that would become another',
      '{"name": "x", "schema": {"attributes": {"a\\"}/": {"of": [1, {"x": "9007199254740993"}, 9007199254740993]}}}}',
      400,
      '/schema/attributes/a"}~1/of/2',
    ],
    [
      'with a number that would become 0',
      '{"name": "x", "schema": {"attributes": {"a": {"minimum": -1.5e-400, "maximum": 0e-400}}}}',
      400,
      '/schema/attributes/a/minimum',
    ],
    [
      'with __proto__ for a name',
      '{"name": "x", "schema": {"attributes": {"__proto__": {}}}}',
      400,
      '/schema/attributes/__proto__',
    ],
    ['of a hundred thousand nested lists', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 400, '/0'.repeat(64)],
    ['of a hundred thousand nested objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 400, '/a'.repeat(64)],
    ['with a string for a number', '{"name": "x", "communicationInterval": "5"}', 400, '/communicationInterval'],
  ])('%s is a bad request that says where', async (_what, body, status, pointer) => {
    const reply = await api.call('POST', '/v1/device-types', body);
    expect([reply.status, reply.body.errorCode]).toEqual([status, 'DEVICETYPE_VALIDATION']);
    expect(reply.body.errors[0].pointer).toBe(pointer);
  });

  it('over one mebibyte is too large, with or without Content-Length', async () => {
    const large = JSON.stringify({ name: 'x'.repeat(1024 * 1024) });
    const told = await api.call('POST', '/v1/device-types', large);
    expect([told.status, told.body.errorCode]).toEqual([413, 'REQUEST_TOO_LARGE']);
    const stream = new ReadableStream({
      start: (controller) => (controller.enqueue(new TextEncoder().encode(large)), controller.close()),
    });
    const untold = await fetch(`${api.url}/v1/device-types`, {
      method: 'POST',
      body: stream,
      duplex: 'half',
      headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/json' },
    });
    expect(untold.status).toBe(413);
  });

  it('with numbers that are kept exactly is taken as it is', async () => {
    const attributes = { a: { of: [9007199254740991, -9007199254740991, 0.1, 1.5e-300, 12345678901234.5, 0] } };
    const reply = await api.call('POST', '/v1/device-types', { name: 'x', schema: { attributes } });
    expect(reply.status).toBe(201);
    const { body } = await api.call('GET', `/v1/device-types/${reply.body.data.id}`);
    expect(body.data.schema.attributes).toEqual(attributes);
  });

  it('of just one mebibyte is read', async () => {
    const reply = await api.call('POST', '/v1/device-types', JSON.stringify({ name: 'x' }).padEnd(1024 * 1024, ' '));
    expect(reply.status).toBe(201);
  });

  it.each([
    'text/plain',
    'application/xml',
    'application/x-www-form-urlencoded',
    'application/json; charset=latin1',
    'application/merge-patch+json',
    'nonsense',
  ])('of the type %s is not supported', async (type) => {
    const reply = await api.call('POST', '/v1/device-types', '{"name": "x"}', { 'content-type': type });
    expect([reply.status, reply.body.errorCode]).toEqual([415, 'REQUEST_UNSUPPORTED_MEDIA_TYPE']);
  });

  it('of JSON may name its charset, and must not be compressed', async () => {
    expect(
      (
        await api.call('POST', '/v1/device-types', '{"name": "x"}', {
          'content-type': 'Application/JSON; Charset="UTF-8"',
        })
      ).status,
    ).toBe(201);
    expect((await api.call('POST', '/v1/device-types', '{"name": "x"}', { 'content-encoding': 'gzip' })).status).toBe(
      415,
    );
  });

  it('that breaks off changes nothing and affects no other request', async () => {
    await raw(
      `POST /v1/device-types HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name": "broken-off"`,
    );
    expect(JSON.stringify((await api.call('GET', '/v1/device-types')).body)).not.toContain('broken-off');
  });
});

describe('a path', () => {
  it('that is not there is 404 for anyone', async () => {
    for (const path of ['/x', '/v1', '/v1/nothing', '/v1/DEVICES', '/v1/devices/x/y/z']) {
      const reply = await api.call('GET', path);
      expect([path, reply.status, reply.body.errorCode]).toEqual([path, 404, 'REQUEST_NOT_FOUND']);
    }
  });

  it.each([
    ['PUT', '/v1/devices', 'POST, GET, HEAD'],
    ['POST', '/v1/devices/0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d01', 'GET, PATCH, DELETE, HEAD'],
    ['DELETE', '/health/live', 'GET, HEAD'],
  ])('does not take %s %s, and says in Allow what it takes', async (method, path, allow) => {
    const reply = await api.call(method, path);
    expect([reply.status, reply.body.errorCode, reply.headers.get('allow')]).toEqual([
      405,
      'REQUEST_METHOD_NOT_ALLOWED',
      allow,
    ]);
    const options = await api.call('OPTIONS', path);
    expect([options.status, options.headers.get('allow')]).toEqual([204, allow]);
  });

  it('answers HEAD as it answers GET, without the body', async () => {
    const [head, get] = [await api.call('HEAD', '/v1/devices'), await api.call('GET', '/v1/devices')];
    expect([head.status, head.body, head.headers.get('content-length')]).toEqual([
      200,
      '',
      get.headers.get('content-length'),
    ]);
  });

  it('that is not encoded correctly is a bad request', async () => {
    for (const path of ['/v1/devices/%', '/v1/devices/%ff', '/v1/devices?name=%', '/v1/devices?%ff=1']) {
      const answer = await raw(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${api.token}\r\n\r\n`,
      );
      expect([path, answer.slice(0, 12)]).toEqual([path, 'HTTP/1.1 400']);
      expect(answer).toContain('"errorCode"');
    }
  });
});

describe('a query', () => {
  it.each([
    ['an unknown name', 'colour=red', '/query/colour'],
    ['a name twice', 'page=0&page=1', '/query/page'],
    ['a page below 0', 'page=-1', '/query/page'],
    ['a page that is no number', 'page=one', '/query/page'],
    ['an empty page', 'page=', '/query/page'],
    ['a page in another notation', 'page=0x1', '/query/page'],
    ['a page size of 0', 'pageSize=0', '/query/pageSize'],
    ['a page size over 100', 'pageSize=101', '/query/pageSize'],
    ['a page size with a fraction', 'pageSize=1.5', '/query/pageSize'],
    ['a NUL character', 'name=%00', '/query/name'],
    ['a page beyond 10,000 rows', 'page=100&pageSize=100', '/query/page'],
    ['a page beyond all numbers', 'page=999999999999999', '/query/page'],
    ['a cursor of its own', 'cursor=abc', '/query/cursor'],
    [
      'a cursor without a time',
      `cursor=${Buffer.from('["2026-13-45T99:99:99Z","00000000-0000-0000-0000-000000000000"]').toString('base64url')}`,
      '/query/cursor',
    ],
    [
      'a cursor without an id',
      `cursor=${Buffer.from('["2026-01-01T00:00:00Z","------------------------------------"]').toString('base64url')}`,
      '/query/cursor',
    ],
    [
      'a cursor beside a page',
      `page=1&cursor=${Buffer.from('["2026-01-01T00:00:00Z","00000000-0000-0000-0000-000000000000"]').toString('base64url')}`,
      '/query/page',
    ],
  ])('with %s is a bad request that says which', async (_what, query, pointer) => {
    const reply = await api.call('GET', `/v1/devices?${query}`);
    expect([reply.status, reply.body.errorCode]).toEqual([400, 'DEVICE_VALIDATION']);
    expect(reply.body.errors[0].pointer).toBe(pointer);
  });

  it('beyond 10,000 rows gets an answer that names the cursor', async () => {
    expect((await api.call('GET', '/v1/devices?page=101&pageSize=100')).body.errorMessage).toContain('cursor');
    expect((await api.call('GET', '/v1/devices?page=99&pageSize=100')).status).toBe(200);
  });
});

describe('a refusal', () => {
  it("is the contract's envelope and RFC 9457 in one object", async () => {
    const reply = await api.call('POST', '/v1/device-types', { name: 1, 'a/b~c': 2 });
    expect(reply.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(reply.body).toEqual({
      errorCode: 'DEVICETYPE_VALIDATION',
      errorMessage: reply.body.detail,
      type: 'urn:slipway:error:devicetype-validation',
      title: expect.any(String),
      status: 400,
      detail: expect.stringContaining('/name must be string'),
      instance: '/v1/device-types',
      errors: [
        { pointer: '/name', detail: 'must be string, received number' },
        { pointer: '/a~1b~0c', detail: expect.stringMatching(/^is unknown here; there are name, /) },
      ],
    });
  });

  it('has the media type of RFC 9457 when the client accepts it', async () => {
    const reply = await api.call('GET', '/v1/nothing', undefined, { accept: 'application/problem+json' });
    expect(reply.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  });
});
