import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sentDigests } from '../../protocol/http/digests.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';
import { attach, newFirmware, OCTETS, unfinished, uploaded } from './upload.js';

const BYTES = randomBytes(200_000);
const OTHER = randomBytes(200_000);
const digest = (algorithm: string, bytes = BYTES) => createHash(algorithm).update(bytes).digest('base64');
const sha256 = createHash('sha256').update(BYTES).digest('hex');

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApi('api_announced_uploads');
});
afterAll(() => api.close());

const upload = (id: string, headers: Record<string, string>) =>
  api.call('POST', `/v1/firmwares/${id}/blob`, BYTES, { ...OCTETS, ...headers });

describe('an upload', () => {
  it.each<[string, Record<string, string>]>([
    ['Repr-Digest', { 'repr-digest': `sha-256=:${digest('sha256')}:` }],
    ['Repr-Digest with SHA-512', { 'repr-digest': `sha-512=:${digest('sha512')}:` }],
    ['two algorithms', { 'repr-digest': `sha-256=:${digest('sha256')}:, sha-512=:${digest('sha512')}:` }],
    ['an algorithm that is not known', { 'repr-digest': 'unixsum=:AAAA:' }],
    ['Content-Digest', { 'content-digest': `sha-256=:${digest('sha256')}:` }],
    ['Digest', { digest: `SHA-256=${digest('sha256')}` }],
    ['Content-MD5', { 'content-md5': digest('md5') }],
    [
      'all of them',
      {
        'repr-digest': `sha-256=:${digest('sha256')}:`,
        digest: `sha-512=${digest('sha512')}`,
        'content-md5': digest('md5'),
      },
    ],
  ])('with the right %s is taken', async (_, headers) => {
    expect((await upload(await newFirmware(api), headers)).status).toBe(200);
  });

  it.each<[string, Record<string, string>]>([
    ['Repr-Digest', { 'repr-digest': `sha-256=:${digest('sha256', OTHER)}:` }],
    ['Repr-Digest with SHA-512', { 'repr-digest': `sha-512=:${digest('sha512', OTHER)}:` }],
    ['second algorithm', { 'repr-digest': `sha-256=:${digest('sha256')}:, sha-512=:${digest('sha512', OTHER)}:` }],
    ['Content-Digest', { 'content-digest': `sha-256=:${digest('sha256', OTHER)}:` }],
    ['Digest', { digest: `sha-256=${digest('sha256', OTHER)}` }],
    ['Content-MD5', { 'content-md5': digest('md5', OTHER) }],
  ])('with another %s is refused, and leaves the firmware as it was', async (_, headers) => {
    const id = await newFirmware(api);
    const { status, body } = await upload(id, headers);
    expect([status, body.errorCode]).toEqual([422, 'FIRMWARE_BLOB_MISMATCH']);
    expect(await unfinished(api)).toBe(0);
    expect((await api.call('GET', `/v1/firmwares/${id}`)).body.data).toMatchObject({
      state: 'draft',
      blobAttached: false,
    });
    expect((await upload(id, {})).status).toBe(200);
  });

  it.each<[string, Record<string, string>]>([
    ['Content-Range', { 'content-range': 'bytes 0-199999/400000' }],
    ['Content-Range', { 'content-range': 'bytes 0-199999/200000' }],
    ['Repr-Digest', { 'repr-digest': 'sha-256=abc' }],
    ['Repr-Digest', { 'repr-digest': 'sha-256=:AAAA:' }],
    ['Repr-Digest', { 'repr-digest': '' }],
    ['Digest', { digest: 'sha-256' }],
    ['Content-MD5', { 'content-md5': 'AAAA' }],
    ['Content-MD5', { 'content-md5': `${digest('md5')}!!junk` }],
    ['Content-MD5', { 'content-md5': `${digest('md5')}, ${digest('md5', OTHER)}` }],
  ])('with %s %j is refused with 400', async (header, headers) => {
    const { status, body } = await upload(await newFirmware(api), headers);
    expect([status, body.errorCode, body.errors]).toMatchObject([
      400,
      'FIRMWARE_VALIDATION',
      [{ pointer: `/header/${header}` }],
    ]);
  });

  it.each<[string, Record<string, unknown>, number]>([
    ['its hash', { sha256 }, 200],
    ['its hash in capitals', { sha256: sha256.toUpperCase() }, 200],
    ['its size', { size: BYTES.length }, 200],
    ['both', { sha256, size: BYTES.length }, 200],
    ['another hash', { sha256: '00'.repeat(32) }, 422],
    ['another size', { size: BYTES.length + 1 }, 422],
    ['the right hash and another size', { sha256, size: 1 }, 422],
  ])('of a firmware that was created with %s', async (_, expected, status) => {
    const id = await newFirmware(api, expected);
    const draft = (await api.call('GET', `/v1/firmwares/${id}`)).body.data;
    const said = 'sha256' in expected ? { sha256: String(expected['sha256']).toLowerCase() } : {};
    expect(draft.expected).toEqual({ ...expected, ...said });
    expect('sha256' in draft || 'size' in draft).toBe(false);
    const reply = await attach(api, id, BYTES);
    expect([reply.status, reply.body.errorCode]).toEqual([
      status,
      status === 200 ? undefined : 'FIRMWARE_BLOB_MISMATCH',
    ]);
    expect((await api.call('GET', `/v1/firmwares/${id}`)).body.data.blobAttached).toBe(status === 200);
  });

  it.each([{ sha256: 'abc' }, { sha256: `1220${sha256}` }, { size: 0 }, { size: -1 }, { size: 1.5 }, { size: '1' }])(
    'cannot be announced as %j',
    async (expected) => {
      const { status, body } = await api.call('POST', '/v1/firmwares', { name: 'x', ...expected });
      expect([status, body.errors]).toMatchObject([400, [{ pointer: `/${Object.keys(expected)[0]}` }]]);
    },
  );
});

describe('headers of digests', () => {
  it('are read for the algorithms that are known, in any order', () => {
    const { digests, faults } = sentDigests({
      'repr-digest': `crc32c=:AAAAAA==:, sha-512=:${digest('sha512')}:;q=1, sha-256=:${digest('sha256')}:`,
    });
    expect(faults).toEqual([]);
    expect(digests.map(({ algorithm }) => algorithm)).toEqual(['sha-512', 'sha-256']);
  });
});

describe('If-Match on a download', () => {
  it.each<[string, number]>([
    [`"${sha256}"`, 200],
    ['*', 200],
    [`"other", "${sha256}"`, 200],
    ['"other"', 412],
    [`W/"${sha256}"`, 412],
    [sha256, 412],
    ['', 412],
  ])('%s: %d', async (tag, status) => {
    const id = await uploaded(api, BYTES);
    const link = (await api.call('GET', `/v1/firmwares/${id}/blob`)).headers.get('location')!;
    for (const more of [undefined, ['range', 'bytes=0-9'], ['if-none-match', '"other"']] as const) {
      const response = await fetch(link, {
        headers: [['if-match', tag], ...(more ? [[...more] as [string, string]] : [])],
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(response.status).toBe(status === 200 && more?.[0] === 'range' ? 206 : status);
      if (status === 412) expect(JSON.parse(bytes.toString()).errorCode).toBe('REQUEST_PRECONDITION_FAILED');
    }
    expect((await fetch(link, { method: 'HEAD', headers: { 'if-match': tag } })).status).toBe(status);
  });
});
