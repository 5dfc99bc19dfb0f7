import { createHash, randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openS3Blobs } from '../../../adapters/blobs/s3.js';
import { asService } from '../../../store/db/transaction.js';
import { TestedNginx } from '../../support/nginx.js';
import { until } from '../../support/until.js';
import { TestedS3 } from '../../support/versitygw.js';
import { begun, TusClient } from '../resumed.js';
import { uploaded } from '../upload.js';
import { DdiWorld, type DdiDevice } from './ddi-world.js';

const BYTES = randomBytes(300_000);
const SIZE = BYTES.length;
let nginx: TestedNginx;
beforeAll(async () => {
  nginx = await TestedNginx.start({ file: BYTES });
}, 60_000);
afterAll(() => nginx.close());

/** A list of ranges of so many bytes each, one behind the other, with room between them. */
const ranges = (count: number, length: number) =>
  `bytes=${Array.from({ length: count }, (_, at) => `${at * 1000}-${at * 1000 + length - 1}`).join(',')}`;

describe.each(['disk', 's3'])('The file of an action, from %s', (store) => {
  let s3: TestedS3 | undefined;
  let world: DdiWorld;
  let device: DdiDevice;
  let link: string;
  let sha1: string;

  beforeAll(async () => {
    if (store === 's3') {
      s3 = await TestedS3.start();
      Object.assign(process.env, s3.settings);
    }
    const blobs = s3 && { blobs: openS3Blobs({ bucket: s3.bucket, endpoint: s3.endpoint }) };
    world = await DdiWorld.start(`ddi_downloads_${store}`, {}, { bytes: BYTES, services: { ...blobs } });
    device = await world.device();
    await device.install();
    const [artifact] = (await device.offer()).deployment.chunks[0]!.artifacts;
    link = artifact!._links.download.href;
    sha1 = createHash('sha1').update(BYTES).digest('hex');
  }, 120_000);
  afterAll(async () => {
    await world.close();
    await s3?.close();
  });

  const load = async (headers: Record<string, string> = {}, method = 'GET', url = link) => {
    const response = await fetch(url, { method, headers: { authorization: device.credential, ...headers } });
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
  };
  /** What a client is answered, with the one thing that differs by its nature, the boundary, under one name. */
  const framed = async (range: string, from: 'slipway' | 'nginx') => {
    const { status, headers, bytes } =
      from === 'slipway' ? await load({ range }) : await load({ range }, 'GET', `${nginx.url}/file`);
    const type = headers.get('content-type') as string;
    const boundary = type.split('boundary=')[1] ?? '-';
    const body = bytes.toString('latin1').replaceAll(boundary, 'B');
    const framing = body.split('--B').length - 1;
    return {
      status,
      type: type.replace(boundary, 'B'),
      contentRange: headers.get('content-range'),
      isWholeLength: Number(headers.get('content-length')) === bytes.length,
      framing,
      sha256: createHash('sha256').update(body, 'latin1').digest('hex'),
    };
  };

  it('answers HEAD with its length, its tag and its time, with every Range', async () => {
    const { status, headers, bytes } = await load({ range: 'bytes=0-1,5-6' }, 'HEAD');
    expect({ status, bytes: bytes.length, ...Object.fromEntries(headers) }).toMatchObject({
      status: 200,
      bytes: 0,
      'content-length': String(SIZE),
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      etag: `"${sha1}"`,
      'last-modified': expect.stringMatching(/ GMT$/),
      'content-disposition': expect.stringMatching(/^attachment;filename=/),
      'x-content-type-options': 'nosniff',
    });
  });

  it('shows at .MD5SUM what md5sum prints', async () => {
    const { status, headers, bytes } = await load({}, 'GET', `${link}.MD5SUM`);
    const name = decodeURIComponent(link.split('/').at(-1) as string);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    expect(headers.get('content-disposition')).toBe(`attachment;filename=${name}.MD5SUM`);
    expect(bytes.toString()).toBe(`${createHash('md5').update(BYTES).digest('hex')}  ${name}`);
  });

  it.each([
    ['one', 'bytes=0-99'],
    ['one to the end', `bytes=${SIZE - 10}-`],
    ['the last ones', 'bytes=-10'],
    ['two', 'bytes=0-99,200-299'],
    ['two that touch', 'bytes=0-99,100-199'],
    ['first and last', 'bytes=0-0,-1'],
    ['two, and one behind the end', `bytes=0-9,100-109,${SIZE}-`],
    ['two, of which one is left', `bytes=0-9,${SIZE}-`],
    ['256', ranges(256, 300)],
  ])('is served in parts as nginx serves them, byte for byte: %s', async (_what, range) => {
    const ours = await framed(range, 'slipway');
    expect(ours).toEqual(await framed(range, 'nginx'));
    expect(ours).toMatchObject({ status: 206, isWholeLength: true });
  });

  it('has boundaries of lower-case hex digits: SWUpdate lowers the case of headers, and not of bodies', async () => {
    const { headers } = await load({ range: 'bytes=0-1,5-6' });
    expect(headers.get('content-type')).toMatch(/^multipart\/byteranges; boundary=[0-9a-f]{16,70}$/);
  });

  it.each([
    ['overlap', 'bytes=0-99,50-149'],
    ['overlap in another order', 'bytes=50-149,0-99'],
    ['begin behind the end', `bytes=${SIZE}-`],
    ['end before they begin', 'bytes=5-1'],
    ['are no numbers', 'bytes=x-'],
    ['are none', 'bytes='],
    ['have no end and no beginning', 'bytes=-'],
  ])('refuses ranges that %s, and says how long it is', async (_what, range) => {
    const { status, headers, bytes } = await load({ range });
    expect([status, headers.get('content-range'), bytes.length]).toEqual([416, `bytes */${SIZE}`, 0]);
  });

  it.each([
    ['more than 256 ranges', ranges(257, 300)],
    ['ranges that are not sorted', 'bytes=200-299,0-99'],
    ['another unit', 'lines=1-2'],
  ])('is served whole for %s', async (_what, range) => {
    const { status, headers, bytes } = await load({ range });
    expect([status, headers.get('content-range'), bytes.equals(BYTES)]).toEqual([200, null, true]);
  });

  it('continues with If-Range only where it is still the same', async () => {
    const partial = async (ifRange: string) => (await load({ range: 'bytes=10-', 'if-range': ifRange })).status;
    const time = (await load({}, 'HEAD')).headers.get('last-modified') as string;
    const before = new Date(Date.parse(time) - 1000).toUTCString();
    expect(await partial(`"${sha1}"`)).toBe(206);
    expect(await partial(sha1)).toBe(206);
    expect(await partial(time)).toBe(206);
    expect(await partial('"another"')).toBe(200);
    expect(await partial(before)).toBe(200);
    const many = await load({ range: 'bytes=0-1,5-6', 'if-range': '"another"' });
    expect([many.status, many.bytes.equals(BYTES)]).toEqual([200, true]);
  });

  it('is given for If-Match with its SHA-1, with or without quotes, and with 412 for another', async () => {
    const statusOf = async (ifMatch: string) => (await load({ 'if-match': ifMatch })).status;
    for (const tag of [sha1, `"${sha1}"`, `"x", "${sha1}"`, '*']) expect(await statusOf(tag)).toBe(200);
    expect(await statusOf('0'.repeat(40))).toBe(412);
    // hawkBit does not evaluate it for files.
    expect((await load({ 'if-none-match': `"${sha1}"` })).status).toBe(200);
  });

  it('has SHA-1 and MD5 from its upload, before a device asks', async () => {
    const bytes = randomBytes(2_000_000);
    const kept = async (id: string) =>
      (await world.api.pool.query('SELECT sha1, md5 FROM firmwares WHERE id = $1', [id])).rows[0] as object;
    const hashes = ['sha1', 'md5'].map((name) => [name, createHash(name).update(bytes).digest('hex')]);
    const tus = new TusClient(world.api.url, world.api.token);
    const [resumed, path] = await begun(world.api, tus, bytes.length);
    await tus.send(path, 0, bytes.subarray(0, 700_000));
    await tus.send(path, 700_000, bytes.subarray(700_000));
    for (const id of [await uploaded(world.api, bytes), resumed])
      await until('they are kept', async () => isDeepStrictEqual(await kept(id), Object.fromEntries(hashes)));
  });

  it('does not wait for what is written about it: a lock on the device keeps no byte back', async () => {
    const locked = await world.device();
    const id = await locked.install();
    const offer = await locked.offer();
    await asService(world.api.pool, async (tx) => {
      await tx.query('SELECT 1 FROM devices WHERE id = $1 FOR UPDATE', [locked.id]);
      expect((await locked.fetchFile(offer)).equals(BYTES)).toBe(true);
      expect(await locked.stateOf(id)).toBe('delivered');
    });
    await until('it is written behind it', async () => (await locked.reportOf(id))['progress'] !== null);
    expect(await locked.reportOf(id)).toMatchObject({ state: 'downloading', progress: { bytes: SIZE } });
  });
});
