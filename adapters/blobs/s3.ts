import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand, CopyObjectCommand, DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListMultipartUploadsCommand,
  ListObjectsV2Command, NoSuchKey, NotFound, S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { assertSha256, type BlobStore, type ByteRange, type LinkOptions, type ReceivedBlob } from './port.js';

export interface S3Options {
  bucket: string;
  /** Of an S3 that is not Amazon's; the SDK's own variables say the rest. */
  endpoint?: string;
}

/** What one request to S3 may take to connect, and between two bytes of its answer. */
const CONNECT_TIMEOUT_MS = 5_000;
const SOCKET_TIMEOUT_MS = 60_000;
/** Four parts of 8 MiB in memory for each upload: 32 MiB; 10,000 parts reach to 80 GB. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 4;
/** The most that one CopyObject takes. */
const MAX_COPY_BYTES = 5 * 1024 ** 3;

/**
 * Blobs as objects of a bucket: `blobs/ab/ab34…` by content, `incoming/` for uploads under way. The address is known only after the
 * last byte, and an object cannot be renamed: so an upload goes to a key of its own, and S3 copies it to its address within itself.
 * Hashing into a file first would cost every API process a disk as large as all uploads at once.
 */
export function openS3Blobs(options: S3Options): BlobStore {
  const client = new S3Client({
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint, forcePathStyle: true }),
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SOCKET_TIMEOUT_MS },
  });
  return new S3Blobs(client, options.bucket);
}

class S3Blobs implements BlobStore {
  constructor(private readonly client: S3Client, private readonly bucket: string) {}

  async receive(source: AsyncIterable<Uint8Array>): Promise<ReceivedBlob> {
    const key = `incoming/${randomUUID()}`;
    const hash = createHash('sha256');
    let size = 0;
    async function* through(): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    }
    // A failed part or a source that breaks off aborts the multipart upload: `leavePartsOnError` is false by default.
    await new Upload({
      client: this.client, partSize: PART_BYTES, queueSize: PARTS_AT_ONCE,
      params: { Bucket: this.bucket, Key: key, Body: Readable.from(through(), { objectMode: false }) },
    }).done();
    const received = { sha256: hash.digest('hex'), size };
    return { ...received, commit: () => this.publish(key, received), discard: () => this.delete(key) };
  }

  async stat(sha256: string): Promise<{ size: number } | undefined> {
    const head = await unlessMissing(this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: keyOf(sha256) })));
    return head && { size: head.ContentLength ?? 0 };
  }

  async open(sha256: string, range?: ByteRange): Promise<Readable | undefined> {
    const got = await unlessMissing(this.client.send(new GetObjectCommand({
      Bucket: this.bucket, Key: keyOf(sha256), ...(range ? { Range: `bytes=${range.start}-${range.end}` } : {}),
    })));
    return got?.Body as Readable | undefined;
  }

  async remove(sha256: string): Promise<void> {
    await this.delete(keyOf(sha256));
  }

  async link(sha256: string, options: LinkOptions): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.bucket, Key: keyOf(sha256), ResponseContentType: options.contentType, ResponseContentDisposition: options.contentDisposition,
    });
    return getSignedUrl(this.client, command, { expiresIn: options.expiresSeconds });
  }

  async sweep(olderThanMs: number): Promise<number> {
    const before = Date.now() - olderThanMs;
    return (await this.abortMultiparts(before)) + (await this.deleteIncoming(before));
  }

  async close(): Promise<void> {
    this.client.destroy();
  }

  /** Multipart uploads that nobody finished cost as much as objects, and no listing of objects shows them. One page (1,000) a sweep. */
  private async abortMultiparts(before: number): Promise<number> {
    const listed = await this.client.send(new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: 'incoming/' }));
    const old = (listed.Uploads ?? []).filter(({ Initiated }) => Initiated !== undefined && Initiated.getTime() <= before);
    for (const { Key, UploadId } of old) await this.client.send(new AbortMultipartUploadCommand({ Bucket: this.bucket, Key, UploadId }));
    return old.length;
  }

  private async deleteIncoming(before: number): Promise<number> {
    const listed = await this.client.send(new ListObjectsV2Command({ Bucket: this.bucket, Prefix: 'incoming/' }));
    const old = (listed.Contents ?? []).filter(({ Key, LastModified }) => Key !== undefined && LastModified !== undefined && LastModified.getTime() <= before);
    for (const { Key } of old) await this.delete(Key!);
    return old.length;
  }

  private async publish(from: string, { sha256, size }: { sha256: string; size: number }): Promise<void> {
    if (await this.stat(sha256)) return;
    if (size > MAX_COPY_BYTES) throw new Error(`${size} bytes are more than S3 copies at once (${MAX_COPY_BYTES})`);
    await this.client.send(new CopyObjectCommand({ Bucket: this.bucket, Key: keyOf(sha256), CopySource: `${this.bucket}/${from}` }));
  }

  /** Deleting what is not there is a success in S3. */
  private async delete(key: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: key }));
  }
}

function keyOf(sha256: string): string {
  assertSha256(sha256);
  return `blobs/${sha256.slice(0, 2)}/${sha256}`;
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof NoSuchKey || error instanceof NotFound) return undefined;
    throw error;
  }
}
