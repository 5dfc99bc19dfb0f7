import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  paginateListObjectsV2,
  S3Client,
  type MultipartUpload,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { conditionOf, publishing, type Content } from './copy.js';
import {
  assertSha256,
  BlobStoreAway,
  type BlobStore,
  type ByteRange,
  type LinkOptions,
  type ReceivedBlob,
} from './port.js';
import { S3Pieces } from './pieces-s3.js';
import { copyInParts } from './s3-copy.js';

/** For a store in one bucket. */
export interface S3Options {
  bucket: string;
  /** Of an S3 that is not Amazon's; the SDK's own variables say the rest. */
  endpoint?: string;
  /**
   * The most that one CopyObject takes, where it is less than Amazon's. Bytes, at least 5 MiB: no part may be smaller.
   */
  maxCopyBytes?: number;
}

/** What one request to S3 may take to connect, and between two bytes of its answer. */
const CONNECT_TIMEOUT_MS = 5_000;
const SOCKET_TIMEOUT_MS = 60_000;
/** Below the deadline of a readiness check, so that the reason is this store's own. */
const PROBE_TIMEOUT_MS = 1_200;
/** Four parts of 8 MiB in memory for each upload: 32 MiB; 10,000 parts reach to 80 GB. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 4;
const MAX_COPY_BYTES = 5 * 1024 ** 3;
/** An upload has 10,000 parts at most, a page 1,000. */
const PART_PAGES = 10;
/** Where uploads are, and where copies are made: multipart uploads may be left behind in both. */
const INCOMING = 'incoming/';
const BLOBS = 'blobs/';

/**
 * Blobs as objects of a bucket: `blobs/ab/ab34…` by content, `incoming/` for uploads under way. The address is known
 * only after the last byte, and an object cannot be renamed: so an upload goes to a key of its own, and S3 copies it to
 * its address within itself. Hashing into a file first would cost every API process a disk as large as all uploads at
 * once.
 */
export function openS3Blobs({ bucket, endpoint, maxCopyBytes = MAX_COPY_BYTES }: S3Options): BlobStore {
  // The SDK would print an advertisement for newer versions of Node among our lines. Which versions fit is fixed in our
  // lock file.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SOCKET_TIMEOUT_MS },
  });
  nameFaults(client);
  return new S3Blobs(client, bucket, maxCopyBytes);
}

class S3Blobs implements BlobStore {
  readonly pieces: S3Pieces;

  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    private readonly maxCopyBytes: number,
  ) {
    this.pieces = new S3Pieces(client, bucket);
  }

  async receive(source: AsyncIterable<Uint8Array>): Promise<ReceivedBlob> {
    const key = `${INCOMING}${randomUUID()}`;
    const hash = createHash('sha256');
    let size = 0;
    let broken: unknown;
    async function* through(): AsyncGenerator<Uint8Array> {
      try {
        for await (const chunk of source) {
          hash.update(chunk);
          size += chunk.length;
          yield chunk;
        }
      } catch (error) {
        broken = error;
        throw error;
      }
    }
    const body = Readable.from(through(), { objectMode: false });
    try {
      // A failed part or a source that breaks off aborts the multipart upload: `leavePartsOnError` is false by default.
      await new Upload({
        client: this.client,
        partSize: PART_BYTES,
        queueSize: PARTS_AT_ONCE,
        params: { Bucket: this.bucket, Key: key, Body: body },
      }).done();
    } catch (error) {
      // Where S3 is away too, its own complaint about the abort would hide why; what it kept is swept later.
      throw broken ?? error;
    } finally {
      body.destroy();
    }
    const received = { sha256: hash.digest('hex'), size };
    return {
      ...received,
      commit: publishing((isKnown) => this.publish(key, received, isKnown)),
      discard: () => this.delete(key),
    };
  }

  async stat(sha256: string): Promise<{ size: number } | undefined> {
    const head = await unlessMissing(
      this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: keyOf(sha256) })),
    );
    return head && { size: head.ContentLength ?? 0 };
  }

  async open(sha256: string, range?: ByteRange): Promise<Readable | undefined> {
    const got = await unlessMissing(
      this.client.send(
        new GetObjectCommand({
          Bucket: this.bucket,
          Key: keyOf(sha256),
          ...(range ? { Range: `bytes=${range.start}-${range.end}` } : {}),
        }),
      ),
    );
    return got?.Body as Readable | undefined;
  }

  async remove(sha256: string): Promise<void> {
    await this.delete(keyOf(sha256));
  }

  async link(sha256: string, options: LinkOptions): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.bucket,
      Key: keyOf(sha256),
      ResponseContentType: options.contentType,
      ResponseContentDisposition: options.contentDisposition,
    });
    return getSignedUrl(this.client, command, { expiresIn: options.expiresSeconds });
  }

  async room(): Promise<undefined> {
    return undefined;
  }

  async probe(): Promise<string | undefined> {
    try {
      await this.client.send(new HeadBucketCommand({ Bucket: this.bucket }), {
        abortSignal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      return undefined;
    } catch (error) {
      const cause = (error as Error).name === 'BlobStoreAway' ? ((error as Error).cause as Error) : (error as Error);
      const status = (cause as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
      if (status === 403) return 'refuses the credentials (403): uploads and downloads fail';
      if (status === 404) return 'has no such bucket (404): uploads and downloads fail';
      return 'does not answer: uploads and downloads wait';
    }
  }

  async sweep(olderThanMs: number): Promise<number> {
    const before = Date.now() - olderThanMs;
    return (
      (await this.abortMultiparts(INCOMING, before)) +
      (await this.abortMultiparts(BLOBS, before)) +
      (await this.deleteIncoming(before))
    );
  }

  async close(): Promise<void> {
    this.client.destroy();
  }

  /**
   * Unfinished multipart uploads cost as much as objects, and no listing of objects shows them. One page
   * (1,000) a sweep.
   */
  private async abortMultiparts(prefix: string, before: number): Promise<number> {
    const listed = await this.client.send(new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: prefix }));
    let aborted = 0;
    for (const upload of listed.Uploads ?? []) {
      if (!isBefore(upload.Initiated, before) || !isBefore(await this.lastPartAt(upload), before)) continue;
      await unlessMissing(
        this.client.send(
          new AbortMultipartUploadCommand({ Bucket: this.bucket, Key: upload.Key, UploadId: upload.UploadId }),
        ),
      );
      aborted += 1;
    }
    return aborted;
  }

  /**
   * A slow upload may have begun long ago: it lives as long as parts come. Without any, its beginning counts.
   * undefined: it is there no more.
   */
  private async lastPartAt({ Key, UploadId, Initiated }: MultipartUpload): Promise<Date | undefined> {
    let newest = Initiated;
    // The SDK's own paginator never ends here: the last page names a next marker, too.
    for (let marker: string | undefined, page = 0; page < PART_PAGES; page += 1) {
      const listed = await unlessMissing(
        this.client.send(new ListPartsCommand({ Bucket: this.bucket, Key, UploadId, PartNumberMarker: marker })),
      );
      if (!listed) return undefined;
      for (const { LastModified } of listed.Parts ?? [])
        if (LastModified !== undefined && (newest === undefined || LastModified > newest)) newest = LastModified;
      if (listed.IsTruncated !== true) break;
      marker = listed.NextPartNumberMarker;
    }
    return newest;
  }

  private async deleteIncoming(before: number): Promise<number> {
    let deleted = 0;
    for await (const page of paginateListObjectsV2(
      { client: this.client },
      { Bucket: this.bucket, Prefix: INCOMING },
    )) {
      for (const { Key, LastModified } of page.Contents ?? []) {
        if (Key === undefined || !isBefore(LastModified, before)) continue;
        await this.delete(Key);
        deleted += 1;
      }
    }
    return deleted;
  }

  /** What stands under this address and are other bytes is replaced. S3 does so in one step. */
  private async publish(from: string, content: Content, isKnown: boolean): Promise<void> {
    const { sha256, size } = content;
    if (isKnown ? (await this.stat(sha256))?.size === size : (await conditionOf(this, content)) === 'good') return;
    const to = keyOf(sha256);
    if (size > this.maxCopyBytes)
      await copyInParts(this.client, { bucket: this.bucket, from, to, size, partBytes: this.maxCopyBytes });
    else
      await this.client.send(
        new CopyObjectCommand({ Bucket: this.bucket, Key: to, CopySource: `${this.bucket}/${from}` }),
      );
    const found = (await this.stat(sha256))?.size;
    if (found !== size) throw new Error(`S3 copied ${size} bytes to ${to} and has ${found ?? 'none'} of them there`);
  }

  /** Deleting what is not there is a success in S3. */
  private async delete(key: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: key }));
  }
}

/**
 * Every call to S3 that found no answer, or a fault of the server or of our credentials, says that it was the store:
 * a socket's own error would be taken for the database's. What the caller asked wrongly keeps its name.
 */
function nameFaults(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        throw isStoreAway(error) ? new BlobStoreAway(error) : error;
      }
    },
    { step: 'initialize', name: 'nameFaults', override: true },
  );
}

function isStoreAway(error: unknown): boolean {
  const { name, code, $metadata } = error as {
    name?: string;
    code?: string;
    $metadata?: { httpStatusCode?: number; attempts?: number };
  };
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) return status >= 500 || status === 401 || status === 403 || name === 'NoSuchBucket';
  // It was tried, and no answer came.
  if ($metadata?.attempts !== undefined) return true;
  return code !== undefined || /^(TimeoutError|CredentialsProviderError|AbortError|NetworkingError)$/.test(name ?? '');
}

function keyOf(sha256: string): string {
  assertSha256(sha256);
  return `${BLOBS}${sha256.slice(0, 2)}/${sha256}`;
}

const isBefore = (time: Date | undefined, before: number): boolean => time !== undefined && time.getTime() <= before;

/**
 * By name: an error's class may have been loaded twice. A bucket that is missing is another matter, and none of these.
 */
const MISSING = new Set(['NoSuchKey', 'NotFound', 'NoSuchUpload']);

function isMissing(error: unknown): boolean {
  return MISSING.has((error as Error).name);
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
