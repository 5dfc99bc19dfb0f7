import { createHash, randomBytes } from 'node:crypto';
import { afterAll, describe, expect, it } from '@jest/globals';
import { OldHashThread } from '../../adapters/blobs/old-hash-thread.js';
import { OLD_HASH_WORKER } from '../support/upload-worker.js';

const BYTES = randomBytes(3_000_001);
const hashesOf = (bytes: Buffer) => ({
  sha1: createHash('sha1').update(bytes).digest('hex'),
  md5: createHash('md5').update(bytes).digest('hex'),
});
/** Chunks of changing length, as they come from a socket. */
function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let [at, length] = [0, 1]; at < bytes.length; at += length, length = (length * 7) % 200_003)
    yield bytes.subarray(at, at + length);
}

describe('SHA-1 and MD5 in a thread of their own', () => {
  const thread = new OldHashThread(OLD_HASH_WORKER);
  afterAll(() => thread.close());

  it('are those of the bytes that passed by, of several contents at once', async () => {
    const contents = [BYTES, BYTES.subarray(1), Buffer.alloc(0)];
    const made = contents.map((bytes) => {
      const hashing = thread.begin();
      for (const chunk of chunksOf(bytes)) {
        const given = Buffer.from(chunk);
        hashing.take(given);
        given.fill(0); // it is the giver's again
      }
      return hashing.end();
    });
    expect(await Promise.all(made)).toEqual(contents.map(hashesOf));
  });

  it('are given up where they fall behind too far: their source never waits', async () => {
    const hashing = thread.begin();
    for (let count = 0; count < 100; count += 1) hashing.take(BYTES);
    expect(await hashing.end()).toBeUndefined();
  });

  it('are made of a source that waits for them, however long it is', async () => {
    async function* source(): AsyncGenerator<Buffer> {
      for (let count = 0; count < 20; count += 1) yield BYTES;
    }
    expect(await thread.of(source())).toEqual(hashesOf(Buffer.concat(Array.from({ length: 20 }, () => BYTES))));
  });

  it('end with their source, where that breaks off', async () => {
    async function* source(): AsyncGenerator<Buffer> {
      yield BYTES;
      throw new Error('the disk is away');
    }
    await expect(thread.of(source())).rejects.toThrow('the disk is away');
  });

  it('are aborted without a word, also after their end', async () => {
    const [aborted, ended] = [thread.begin(), thread.begin()];
    aborted.take(BYTES);
    aborted.abort();
    expect(await aborted.end()).toBeUndefined();
    ended.take(BYTES);
    const made = ended.end();
    ended.abort();
    expect(await made).toEqual(hashesOf(BYTES));
  });

  it('fail where their thread ends, and are made by another one after it', async () => {
    const other = new OldHashThread(OLD_HASH_WORKER);
    const hashing = other.begin();
    hashing.take(BYTES);
    const made = expect(hashing.end()).rejects.toThrow('the thread that makes SHA-1 and MD5 was ended');
    await other.close();
    await made;
    const next = other.begin();
    next.take(BYTES);
    expect(await next.end()).toEqual(hashesOf(BYTES));
    await other.close();
  });
});
