import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { assertPieceName, type Pieces } from './port.js';

const UNFINISHED = 'unfinished/';

/**
 * Pieces as objects of their own, not as parts of a multipart upload: a part has 5 MiB at least, and a piece ends where
 * a connection broke.
 */
export class S3Pieces implements Pieces {
  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
  ) {}

  async keep(name: string, bytes: Uint8Array): Promise<void> {
    await this.client.send(new PutObjectCommand({ Bucket: this.bucket, Key: keyOf(name), Body: bytes }));
  }

  async open(name: string): Promise<Readable | undefined> {
    try {
      const got = await this.client.send(new GetObjectCommand({ Bucket: this.bucket, Key: keyOf(name) }));
      return got.Body as Readable | undefined;
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return undefined;
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: keyOf(name) }));
  }

  async sweep(olderThanMs: number): Promise<number> {
    const before = Date.now() - olderThanMs;
    let removed = 0;
    for await (const page of paginateListObjectsV2(
      { client: this.client },
      { Bucket: this.bucket, Prefix: UNFINISHED },
    )) {
      for (const { Key, LastModified } of page.Contents ?? []) {
        if (Key === undefined || LastModified === undefined || LastModified.getTime() > before) continue;
        await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key }));
        removed += 1;
      }
    }
    return removed;
  }
}

function keyOf(name: string): string {
  assertPieceName(name);
  return `${UNFINISHED}${name}`;
}
