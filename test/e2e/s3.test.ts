import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestedAllInOne } from '../support/all-in-one.js';
import { TestedS3 } from '../support/versitygw.js';
import { FleetInFlight } from './fleet-in-flight.js';

let s3: TestedS3;
let service: TestedAllInOne;
beforeAll(async () => {
  s3 = await TestedS3.start();
  service = new TestedAllInOne(undefined, s3.settings);
  await service.start();
}, 120_000);
afterAll(async () => {
  await service.stop();
  service.remove();
  await s3.close();
}, 60_000);

/** A ready firmware, uploaded over REST. @returns its signed link, and where its bytes are. */
async function upload(bytes: Buffer): Promise<{ url: string; key: string; digest: string }> {
  const file = join(service.dataDir, 'upload.bin');
  writeFileSync(file, bytes);
  const id = await service.operator.firmware('switch', '1.5.0', file);
  const { downloadUrl } = await service.operator.call<{ downloadUrl: string }>('GET', `/v1/firmwares/${id}`);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    url: downloadUrl,
    key: `blobs/${sha256.slice(0, 2)}/${sha256}`,
    digest: Buffer.from(sha256, 'hex').toString('base64'),
  };
}

describe('npm start with SLIPWAY_BLOB_STORE=s3', () => {
  it('takes an upload over REST into the bucket, and keeps nothing of it on its disk', async () => {
    const { key } = await upload(randomBytes(20_000_000));
    const client = s3.client();
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: s3.bucket }));
    client.destroy();
    expect(Contents.map(({ Key, Size }) => [Key, Size])).toEqual([[key, 20_000_000]]);
    expect(readdirSync(service.dataDir)).not.toContain('blobs');
  }, 60_000);

  it('answers a download with a short-lived link of the bucket, with ETag and digest, and the link serves ranges', async () => {
    const bytes = randomBytes(300_000);
    const { url, digest } = await upload(bytes);
    const answer = await fetch(url, { redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(answer.headers.get('etag')).toBe(`"${createHash('sha256').update(bytes).digest('hex')}"`);
    expect([
      answer.headers.get('repr-digest'),
      answer.headers.get('accept-ranges'),
      answer.headers.get('cache-control'),
    ]).toEqual([`sha-256=:${digest}:`, 'bytes', 'no-store']);
    const location = new URL(answer.headers.get('location')!);
    expect(location.origin).toBe(s3.endpoint);
    expect(Number(location.searchParams.get('X-Amz-Expires'))).toBeLessThanOrEqual(3_600);
    expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(bytes)).toBe(true);
    const part = await fetch(url, { headers: { range: 'bytes=1000-1999' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1000-1999/300000']);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1000, 2000))).toBe(true);
    expect((await fetch(url, { headers: { range: 'bytes=300000-' } })).status).toBe(416);
  }, 60_000);

  it('says that the bytes are missing in the store, instead of sending a device there', async () => {
    const { url, key } = await upload(randomBytes(1000));
    const client = s3.client();
    await client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key: key }));
    client.destroy();
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([
      503,
      expect.stringMatching(/the bytes are missing in the blob store/),
    ]);
  }, 60_000);

  it('installs on devices that download from the bucket, also one whose download breaks off and one that is slow', async () => {
    const fleet = new FleetInFlight(service, 5);
    try {
      await fleet.register(['good', 'resume', 'slow']);
      expect(await fleet.faultsAtTheEnd(await fleet.schedule(), 60_000)).toEqual([]);
    } finally {
      await fleet.end();
    }
  }, 120_000);
});
