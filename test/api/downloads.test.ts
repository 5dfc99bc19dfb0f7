import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { firmwareDownloadUrl, installationDownloadUrl, type Sign } from '../../protocol/http/download-links.js';
import { readLinkSigner } from '../../store/fleet/downloads.js';
import { asService } from '../../store/db/transaction.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';
import { newFirmware, until, uploaded } from './upload.js';

const BYTES = randomBytes(1_000_000);
const SHA256 = createHash('sha256').update(BYTES).digest('hex');
let api: ApiUnderTest;
let sign: Sign;
let firmware: string;
let link: string;
beforeAll(async () => {
  api = await startApi('api_downloads');
  sign = await asService(api.pool, readLinkSigner);
  firmware = await uploaded(api, BYTES, { name: 'Schalter "größer"', version: '2', contentType: 'application/gzip' });
  link = (await api.call('GET', `/v1/firmwares/${firmware}/blob`)).headers.get('location')!;
});
afterAll(() => api.close());

const load = async (url: string, headers: Record<string, string> = {}, method = 'GET') => {
  const response = await fetch(url, { headers, method, redirect: 'manual' });
  const bytes = Buffer.from(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  api.description.check(
    method,
    new URL(url).pathname,
    response.status,
    type,
    /json/.test(type) && bytes.length > 0 ? JSON.parse(bytes.toString()) : '',
  );
  return { status: response.status, headers: response.headers, bytes };
};

describe('GET /v1/firmwares/{id}/blob', () => {
  it('answers 302 with a signed link, whose signature is its last parameter', async () => {
    const reply = await api.call('GET', `/v1/firmwares/${firmware}/blob`);
    expect(reply.status).toBe(302);
    expect(reply.headers.get('location')).toMatch(
      new RegExp(`^${api.url}/download/firmwares/default/${firmware}\\?expires=\\d+&sig=[\\w-]{43}$`),
    );
  });

  it('answers 409 where no blob is attached', async () => {
    const reply = await api.call('GET', `/v1/firmwares/${await newFirmware(api)}/blob`);
    expect(reply).toMatchObject({ status: 409, body: { errorCode: 'FIRMWARE_BLOB_MISSING' } });
  });
});

describe('a signed link', () => {
  it('serves the bytes without a token, with ETag, digest, length, type and name', async () => {
    const { status, headers, bytes } = await load(link);
    expect(status).toBe(200);
    expect(bytes.equals(BYTES)).toBe(true);
    expect(Object.fromEntries(headers)).toMatchObject({
      etag: `"${SHA256}"`,
      'accept-ranges': 'bytes',
      'content-length': '1000000',
      'content-type': 'application/gzip',
      'repr-digest': `sha-256=:${Buffer.from(SHA256, 'hex').toString('base64')}:`,
      digest: `sha-256=${Buffer.from(SHA256, 'hex').toString('base64')}`,
      'content-disposition': `attachment; filename="Schalter _gr__er_-2"; filename*=UTF-8''Schalter%20%22gr%C3%B6%C3%9Fer%22-2`,
    });
  });

  it('answers HEAD with the same headers, without the bytes', async () => {
    const { status, headers, bytes } = await load(link, { range: 'bytes=0-1' }, 'HEAD');
    expect([status, headers.get('content-length'), headers.get('etag'), bytes.length]).toEqual([
      200,
      '1000000',
      `"${SHA256}"`,
      0,
    ]);
  });

  it.each([
    ['bytes=0-99', 0, 100],
    ['bytes=999990-', 999_990, 1_000_000],
    ['bytes=-10', 999_990, 1_000_000],
    ['bytes=500000-2000000', 500_000, 1_000_000],
    ['bytes=-2000000', 0, 1_000_000],
  ])('serves the part %s', async (range, start, end) => {
    const { status, headers, bytes } = await load(link, { range });
    expect([status, headers.get('content-range'), headers.get('content-length')]).toEqual([
      206,
      `bytes ${start}-${end - 1}/1000000`,
      String(end - start),
    ]);
    expect(bytes.equals(BYTES.subarray(start, end))).toBe(true);
  });

  it.each(['bytes=1000000-', 'bytes=2000000-3000000', 'bytes=-0'])(
    'refuses %s, which lies beyond the end, and says how long it is',
    async (range) => {
      const { status, headers } = await load(link, { range });
      expect([status, headers.get('content-range')]).toEqual([416, 'bytes */1000000']);
    },
  );

  it.each(['bytes=5-6,0-1', 'bytes=0-5,3-6', 'bytes=5-1', 'bytes=', 'bytes=x-', 'lines=1-2', 'bytes=-'])(
    'serves all of it where the range is "%s"',
    async (range) => {
      const { status, bytes } = await load(link, { range });
      expect([status, bytes.length]).toEqual([200, 1_000_000]);
    },
  );

  it('serves several parts at once, as clients of delta updates ask for them', async () => {
    const { status, headers, bytes } = await load(link, { range: 'bytes=0-1,5-6,-2' });
    const [, boundary] = /^multipart\/byteranges; boundary=([0-9a-f]+)$/.exec(headers.get('content-type') ?? '') ?? [];
    const part = (start: number, end: number) =>
      `\r\n--${boundary}\r\nContent-Type: application/gzip\r\nContent-Range: bytes ${start}-${end}/1000000\r\n\r\n` +
      BYTES.subarray(start, end + 1).toString('latin1');
    expect(status).toBe(206);
    expect(bytes.toString('latin1')).toBe(`${part(0, 1)}${part(5, 6)}${part(999_998, 999_999)}\r\n--${boundary}--\r\n`);
    expect(headers.get('content-length')).toBe(String(bytes.length));
  });

  it('resumes with If-Range only what is still the same', async () => {
    expect((await load(link, { range: 'bytes=10-', 'if-range': `"${SHA256}"` })).status).toBe(206);
    expect((await load(link, { range: 'bytes=10-', 'if-range': '"another"' })).status).toBe(200);
    expect((await load(link, { range: 'bytes=10-', 'if-range': 'Tue, 24 Nov 2026 10:00:00 GMT' })).status).toBe(200);
  });

  it('answers 304 to a client that has it', async () => {
    for (const tag of [`"${SHA256}"`, `"x", W/"${SHA256}"`, '*'])
      expect((await load(link, { 'if-none-match': tag })).status).toBe(304);
    expect((await load(link, { 'if-none-match': '"x"' })).status).toBe(200);
  });

  it('lets a download that broke off go on where it was', async () => {
    const half = await new Promise<Buffer>((resolve, reject) => {
      const chunks: Buffer[] = [];
      get(link, (response) => {
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          if (Buffer.concat(chunks).length > 100_000) response.destroy();
        });
        response.on('close', () => resolve(Buffer.concat(chunks)));
      }).on('error', reject);
    });
    expect(half.length).toBeLessThan(1_000_000);
    const rest = await load(link, { range: `bytes=${half.length}-`, 'if-range': `"${SHA256}"` });
    expect(createHash('sha256').update(half).update(rest.bytes).digest('hex')).toBe(SHA256);
    await until(
      'the file is closed again',
      async () => !readdirSync('/proc/self/fd').some((fd) => opened(fd).endsWith(SHA256)),
    );
  });

  it.each([
    ['another firmware', (url: string) => url.replace(firmware, randomUUID())],
    ['another tenant', (url: string) => url.replace('/default/', '/other/')],
    ['a later end', (url: string) => url.replace(/expires=\d/, 'expires=9')],
    ['another signature', (url: string) => url.replace(/sig=.*/, `sig=${'A'.repeat(43)}`)],
    ['a signature cut short', (url: string) => url.slice(0, -1)],
    ['something behind the signature', (url: string) => `${url}&expires=9999999999`],
    ['no signature', (url: string) => url.replace(/&sig=.*/, '')],
    ['no query at all', (url: string) => url.replace(/\?.*/, '')],
    ['the id in upper case', (url: string) => url.replace(firmware, firmware.toUpperCase())],
  ])('with %s is refused', async (_what, change) => {
    const { status, bytes } = await load(change(link));
    expect(status).toBe(403);
    expect(JSON.parse(bytes.toString())).toMatchObject({ errorCode: 'FIRMWARE_LINK_INVALID' });
  });

  it('is refused after its time, with a sentence that says what to do', async () => {
    const response = await fetch(firmwareDownloadUrl(api.url, sign, 'default', firmware, Date.now() - 2000));
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({
      errorMessage: expect.stringMatching(/expired; ask for a fresh one/),
    });
  });

  it('is gone with its firmware', async () => {
    const id = await uploaded(api, randomBytes(10));
    const { downloadUrl } = (await api.call('GET', `/v1/firmwares/${id}`)).body.data;
    await api.call('DELETE', `/v1/firmwares/${id}`);
    expect((await load(downloadUrl)).status).toBe(410);
  });

  it('whose bytes the store lost says so instead of serving nothing', async () => {
    const bytes = randomBytes(10);
    const id = await uploaded(api, bytes);
    const { downloadUrl } = (await api.call('GET', `/v1/firmwares/${id}`)).body.data;
    await api.services.blobs.remove(createHash('sha256').update(bytes).digest('hex'));
    const response = await fetch(downloadUrl);
    expect([response.status, response.headers.get('etag')]).toEqual([503, null]);
    expect(await response.json()).toMatchObject({ errorCode: 'SERVICE_UNAVAILABLE' });
  });
});

describe('the link of an installation', () => {
  it('is good without an end in time until the installation ends, then 410', async () => {
    const type = (await api.call('POST', '/v1/device-types', { name: 'T', slots: { firmware: { name: 'F' } } })).body
      .data.id;
    const device = (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id;
    await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: firmware });
    const path = `/v1/devices/${device}/firmware-installations`;
    const { id } = (await api.call('POST', path, { firmwareId: firmware, slot: 'firmware' })).body.data;
    const url = installationDownloadUrl(api.url, sign, 'default', id);
    expect((await load(url)).bytes.equals(BYTES)).toBe(true);
    expect((await load(url, { range: 'bytes=5-9' })).status).toBe(206);
    expect((await load(url.replace(id, randomUUID()))).status).toBe(403);
    expect((await api.call('POST', `${path}/${id}/cancel`)).status).toBe(202);
    expect((await load(url)).status).toBe(410);
    expect((await load(installationDownloadUrl(api.url, sign, 'default', randomUUID()))).status).toBe(410);
  });
});

/** What a descriptor of this process points at; '' where it was closed meanwhile. */
function opened(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
