import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openS3Blobs } from '../../adapters/blobs/s3.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { until } from '../support/until.js';
import { TestedS3 } from '../support/versitygw.js';
import { blobContract } from './blobs.js';

/** The SDK reads its own variables; each test file is a process's worth of them. */
async function startS3(): Promise<{ server: TestedS3; client: S3Client; blobs: BlobStore }> {
  const server = await TestedS3.start();
  Object.assign(process.env, server.settings);
  return { server, client: server.client(), blobs: openS3Blobs({ bucket: server.bucket, endpoint: server.endpoint }) };
}

const addressOf = (sha256: string): string => `blobs/${sha256.slice(0, 2)}/${sha256}`;

async function unfinished(client: S3Client, Bucket: string): Promise<number> {
  const [objects, multiparts] = await Promise.all([
    client.send(new ListObjectsV2Command({ Bucket, Prefix: 'incoming/' })),
    client.send(new ListMultipartUploadsCommand({ Bucket })),
  ]);
  return (objects.Contents ?? []).length + (multiparts.Uploads ?? []).length;
}

blobContract('S3 (versitygw)', async () => {
  const { server, client, blobs } = await startS3();
  return {
    blobs,
    unfinished: () => unfinished(client, server.bucket),
    spoil: async (sha256, bytes) =>
      void (await client.send(new PutObjectCommand({ Bucket: server.bucket, Key: addressOf(sha256), Body: bytes }))),
    close: async () => {
      await blobs.close();
      client.destroy();
      await server.close();
    },
  };
});

describe('blobs on S3 in particular', () => {
  let s3: Awaited<ReturnType<typeof startS3>>;
  beforeAll(async () => {
    s3 = await startS3();
  });
  afterAll(async () => {
    await s3.blobs.close();
    s3.client.destroy();
    await s3.server.close();
  });

  const store = async (blobs: BlobStore, bytes: Buffer): Promise<string> => {
    const received = await blobs.receive(pieces(bytes));
    await received.commit();
    await received.discard();
    return received.sha256;
  };
  const link = async (bytes: Buffer, expiresSeconds = 60): Promise<string> =>
    (await s3.blobs.link(await store(s3.blobs, bytes), {
      expiresSeconds,
      contentType: 'application/x-firmware',
      contentDisposition: 'attachment; filename="switch-1.5.0"',
    }))!;

  it('takes an upload of 400 MB in many parts, and its memory does not grow with it', async () => {
    const size = 400 * 1024 * 1024;
    const hash = createHash('sha256');
    const before = process.memoryUsage().rss;
    let highest = 0;
    async function* large(): AsyncGenerator<Uint8Array> {
      const piece = randomBytes(1024 * 1024);
      for (let sent = 0; sent < size; sent += piece.length) {
        piece.writeUInt32BE(sent, 0);
        hash.update(piece);
        highest = Math.max(highest, process.memoryUsage().rss);
        yield Buffer.from(piece);
      }
    }
    const received = await s3.blobs.receive(large());
    expect([received.sha256, received.size]).toEqual([hash.digest('hex'), size]);
    await received.commit();
    await received.discard();
    expect(await s3.blobs.stat(received.sha256)).toEqual({ size });
    // Four parts of 8 MiB, what the SDK copies of them, and what the collector of a busy process has not come to (160
    // were seen): a store that kept the bytes would hold 400.
    expect((highest - before) / 1024 / 1024).toBeLessThan(250);
    await s3.blobs.remove(received.sha256);
  }, 120_000);

  it('copies what is larger than one copy takes in parts', async () => {
    const blobs = openS3Blobs({
      bucket: s3.server.bucket,
      endpoint: s3.server.endpoint,
      maxCopyBytes: 5 * 1024 * 1024,
    });
    const bytes = randomBytes(12_000_000);
    const sha256 = await store(blobs, bytes);
    expect((await buffer((await blobs.open(sha256))!)).equals(bytes)).toBe(true);
    expect(await unfinished(s3.client, s3.server.bucket)).toBe(0);
    await blobs.close();
  });

  it('gives links that serve the blob and parts of it without any key', async () => {
    const bytes = randomBytes(300_000);
    const url = await link(bytes);
    const whole = await fetch(url);
    expect([whole.status, whole.headers.get('content-type'), whole.headers.get('content-disposition')]).toEqual([
      200,
      'application/x-firmware',
      'attachment; filename="switch-1.5.0"',
    ]);
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const part = await fetch(url, { headers: { range: 'bytes=100000-200000' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 100000-200000/300000']);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(100_000, 200_001))).toBe(true);
    const rest = await fetch(url, { headers: { range: 'bytes=299990-', 'if-range': part.headers.get('etag')! } });
    expect([rest.status, (await rest.arrayBuffer()).byteLength]).toEqual([206, 10]);
  });

  it('refuses links that were changed', async () => {
    const url = await link(randomBytes(1000));
    const other = await store(s3.blobs, randomBytes(1000));
    const tampered = [
      url.replace(/blobs\/..\/[0-9a-f]{64}/, addressOf(other)),
      url.replace(/X-Amz-Expires=60/, 'X-Amz-Expires=6000'),
      url.replace(/response-content-type=[^&]*/, 'response-content-type=text%2Fhtml'),
      url.replace(/(X-Amz-Signature=)./, (_all, name: string) => `${name}${url.includes(`${name}0`) ? '1' : '0'}`),
      url.slice(0, url.indexOf('?')),
    ];
    for (const one of tampered) {
      expect(one).not.toBe(url);
      expect((await fetch(one)).status).toBe(403);
    }
  });

  it('refuses links that have expired', async () => {
    const url = await link(randomBytes(1000), 1);
    expect((await fetch(url)).status).toBe(200);
    expect(
      await until(
        'it is refused',
        async () => {
          const { status } = await fetch(url);
          return status !== 200 && status;
        },
        10_000,
      ),
    ).toBe(403);
  });

  it('aborts abandoned multipart uploads, but none that still advances', async () => {
    const { server, client, blobs } = s3;
    const orphan = { Bucket: server.bucket, Key: 'incoming/orphan' };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(orphan));
    await client.send(new UploadPartCommand({ ...orphan, UploadId, PartNumber: 1, Body: randomBytes(1000) }));
    // A copy that broke off is left elsewhere.
    await client.send(new CreateMultipartUploadCommand({ ...orphan, Key: 'blobs/00/orphan' }));
    const source = new Tap();
    const upload = blobs.receive(source);
    const began = Date.now();
    const multiparts = async () =>
      ((await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }))).Uploads ?? []).length;
    // All three are old by now; one of them goes on.
    await until(
      'both orphans are old',
      async () => (source.give(randomBytes(9_000_000)), Date.now() - began > 4_000),
      20_000,
    );
    await until('the third has begun', async () => (await multiparts()) === 3);
    expect(await blobs.sweep(3_000)).toBe(2);
    source.end();
    const received = await upload;
    await received.discard();
    expect(await unfinished(client, server.bucket)).toBe(0);
    await blobs.remove(received.sha256);
  }, 60_000);

  it('says so where the bucket does not exist', async () => {
    const blobs = openS3Blobs({ bucket: 'nobody-made-it', endpoint: s3.server.endpoint });
    await expect(blobs.receive(pieces(randomBytes(10)))).rejects.toThrow(/bucket/i);
    await blobs.close();
  });
});

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** A source that a test opens and shuts. */
class Tap implements AsyncIterable<Uint8Array> {
  private waiting: Uint8Array[] = [];
  private ended = false;
  private wake: (() => void) | undefined;

  give(bytes: Uint8Array): void {
    if (this.waiting.length < 3) this.waiting.push(bytes);
    this.wake?.();
  }

  end(): void {
    this.ended = true;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (!this.ended || this.waiting.length > 0) {
      const next = this.waiting.shift();
      if (next) yield next;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
