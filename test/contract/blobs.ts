import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { conditionOf, copyBlob } from '../../adapters/blobs/copy.js';
import type { BlobStore } from '../../adapters/blobs/port.js';

/**
 * A store under test, and what of its inside the contract must see: how many uploads are neither committed nor
 * discarded.
 */
export interface BlobsUnderTest {
  blobs: BlobStore;
  unfinished(): Promise<number>;
  /** Puts other bytes where a blob is, as a broken disk or a careless operator does. */
  spoil(sha256: string, bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** What every blob store keeps to (adapters/blobs/port.ts). */
export function blobContract(name: string, make: () => Promise<BlobsUnderTest>, startMs = 30_000): void {
  describe(`blobs on ${name}`, () => {
    let test: BlobsUnderTest;
    beforeAll(async () => {
      test = await make();
    }, startMs);
    afterAll(() => test.close());

    const store = async (bytes: Buffer): Promise<string> => {
      const received = await test.blobs.receive(inPieces(bytes));
      await received.commit();
      await received.discard();
      return received.sha256;
    };
    const read = async (sha256: string, range?: { start: number; end: number }): Promise<Buffer> =>
      buffer((await test.blobs.open(sha256, range))!);

    it('answers a probe with nothing while it can do its work, and leaves nothing behind', async () => {
      expect(await test.blobs.probe()).toBeUndefined();
      expect(await test.unfinished()).toBe(0);
    });

    it('returns the stored bytes under the SHA-256 of their content', async () => {
      const bytes = randomBytes(3_000_000);
      const sha256 = await store(bytes);
      expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
      expect(await test.blobs.stat(sha256)).toEqual({ size: bytes.length });
      expect((await read(sha256)).equals(bytes)).toBe(true);
      expect(await test.unfinished()).toBe(0);
    });

    it('returns size and hash of an upload before the commit, and does not show it to readers', async () => {
      const bytes = randomBytes(1000);
      const received = await test.blobs.receive(inPieces(bytes));
      expect(received.size).toBe(1000);
      expect(await test.blobs.stat(received.sha256)).toBeUndefined();
      await received.discard();
      expect(await test.blobs.stat(received.sha256)).toBeUndefined();
      expect(await test.unfinished()).toBe(0);
    });

    it('reads ranges, both ends included', async () => {
      const bytes = randomBytes(300_000);
      const sha256 = await store(bytes);
      expect((await read(sha256, { start: 0, end: 0 })).equals(bytes.subarray(0, 1))).toBe(true);
      expect((await read(sha256, { start: 131_071, end: 200_000 })).equals(bytes.subarray(131_071, 200_001))).toBe(
        true,
      );
      expect((await read(sha256, { start: 299_999, end: 299_999 })).equals(bytes.subarray(299_999))).toBe(true);
    });

    it('keeps one blob of two uploads of the same bytes at once', async () => {
      const bytes = randomBytes(200_000);
      const [one, other] = await Promise.all([
        test.blobs.receive(inPieces(bytes)),
        test.blobs.receive(inPieces(bytes)),
      ]);
      await Promise.all([one.commit(), other.commit()]);
      await Promise.all([one.discard(), other.discard()]);
      expect((await read(one.sha256)).equals(bytes)).toBe(true);
      await test.blobs.remove(one.sha256);
      expect(await test.blobs.stat(other.sha256)).toBeUndefined();
    });

    it('commits again what was removed meanwhile, until the upload is discarded', async () => {
      const received = await test.blobs.receive(inPieces(randomBytes(1000)));
      await received.commit();
      await test.blobs.remove(received.sha256);
      await received.commit();
      await received.discard();
      expect(await test.blobs.stat(received.sha256)).toEqual({ size: 1000 });
    });

    it('replaces damaged bytes under an address when the right bytes come again, also where the length is right', async () => {
      const bytes = randomBytes(100_000);
      const sha256 = await store(bytes);
      for (const wrong of [bytes.subarray(0, 60_000), randomBytes(bytes.length), Buffer.alloc(0)]) {
        await test.spoil(sha256, wrong);
        await store(bytes);
        expect((await read(sha256)).equals(bytes)).toBe(true);
        expect(await test.unfinished()).toBe(0);
      }
    });

    it('detects wrong and missing bytes, and lets another store repair them', async () => {
      const bytes = randomBytes(100_000);
      const sha256 = await store(bytes);
      const content = { sha256, size: bytes.length };
      expect(await conditionOf(test.blobs, content)).toBe('good');
      for (const wrong of [bytes.subarray(1), randomBytes(bytes.length)]) {
        await test.spoil(sha256, wrong);
        expect(await conditionOf(test.blobs, content)).toBe('damaged');
        expect(await copyBlob(oneBlob(bytes), test.blobs, content, true)).toBe('copied');
        expect(await conditionOf(test.blobs, content)).toBe('good');
      }
      await test.blobs.remove(sha256);
      expect(await conditionOf(test.blobs, content)).toBe('missing');
      expect(await copyBlob(test.blobs, test.blobs, content)).toBe('missing');
    });

    it('takes over no bytes whose hash is another', async () => {
      const sha256 = createHash('sha256').update('what it should be').digest('hex');
      expect(await copyBlob(oneBlob(Buffer.from('what it is')), test.blobs, { sha256, size: 17 })).toBe('damaged');
      expect(await test.blobs.stat(sha256)).toBeUndefined();
      expect(await test.unfinished()).toBe(0);
    });

    it('leaves nothing behind where the source breaks off, and throws what the source threw', async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield randomBytes(100_000);
        throw new Error('the cable was cut');
      }
      await expect(test.blobs.receive(broken())).rejects.toThrow('the cable was cut');
      expect(await test.unfinished()).toBe(0);
    });

    it('lets a reader finish a blob that is removed meanwhile', async () => {
      const bytes = randomBytes(2_000_000);
      const sha256 = await store(bytes);
      const stream = (await test.blobs.open(sha256))!;
      await test.blobs.remove(sha256);
      expect((await buffer(stream)).equals(bytes)).toBe(true);
      expect(await test.blobs.open(sha256)).toBeUndefined();
    });

    it('does not fail when the blob to remove or read is missing', async () => {
      const nowhere = createHash('sha256').update(randomBytes(8)).digest('hex');
      await test.blobs.remove(nowhere);
      expect(await test.blobs.stat(nowhere)).toBeUndefined();
      expect(await test.blobs.open(nowhere)).toBeUndefined();
    });

    it('refuses an invalid address', async () => {
      for (const wrong of ['', '../../etc/passwd', 'A'.repeat(64), 'a'.repeat(63), `${'a'.repeat(64)}\n`]) {
        await expect(test.blobs.stat(wrong)).rejects.toThrow(TypeError);
        await expect(test.blobs.remove(wrong)).rejects.toThrow(TypeError);
      }
    });

    it('sweeps uploads whose process died, but none that is under way', async () => {
      const received = await test.blobs.receive(inPieces(randomBytes(1000)));
      expect(await test.blobs.sweep(60_000)).toBe(0);
      expect(await test.unfinished()).toBe(1);
      expect(await test.blobs.sweep(0)).toBe(1);
      expect(await test.unfinished()).toBe(0);
      await received.discard();
    });

    it('keeps pieces of uploads that go on later, which the sweep of broken ones leaves', async () => {
      const { pieces } = test.blobs;
      const [one, other] = [randomBytes(300_000), randomBytes(1)];
      const names = [randomUUID(), randomUUID()] as const;
      await pieces.keep(names[0], one);
      await pieces.keep(names[1], other);
      await test.blobs.sweep(0);
      expect((await buffer((await pieces.open(names[0]))!)).equals(one)).toBe(true);
      expect((await buffer((await pieces.open(names[1]))!)).equals(other)).toBe(true);
      await pieces.remove(names[0]);
      await pieces.remove(names[0]);
      expect(await pieces.open(names[0])).toBeUndefined();
      expect(await pieces.sweep(60_000)).toBe(0);
      expect(await pieces.sweep(-60_000)).toBe(1);
      expect(await pieces.open(names[1])).toBeUndefined();
      await expect(pieces.keep('../../etc/passwd', one)).rejects.toThrow(TypeError);
    });
  });
}

/** As much of a store as something can be copied from. It says of any address that these are its bytes. */
function oneBlob(bytes: Buffer): BlobStore {
  const no = (): never => {
    throw new Error('only reading is possible here');
  };
  return {
    open: async () => Readable.from([bytes]),
    stat: async () => ({ size: bytes.length }),
    receive: no,
    remove: no,
    link: no,
    probe: no,
    room: no,
    sweep: no,
    pieces: { keep: no, open: no, remove: no, sweep: no },
    close: async () => undefined,
  };
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
