import { createHash, randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DirectFile } from '../../adapters/blobs/direct-file.js';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { UPLOAD_WORKER } from '../support/upload-worker.js';
import { blobContract } from './blobs.js';

const MEGABYTE = 1024 * 1024;

blobContract('a disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-blobs-'));
  const blobs = await openDiskBlobs(join(folder, 'blobs'), { worker: UPLOAD_WORKER });
  return {
    blobs,
    unfinished: async () => (await readdir(join(folder, 'blobs', 'incoming'))).length,
    spoil: (sha256, bytes) => writeFile(join(folder, 'blobs', sha256.slice(0, 2), sha256), bytes),
    close: async () => {
      await blobs.close();
      await rm(folder, { recursive: true });
    },
  };
});

describe('blobs on a disk in particular', () => {
  let folder: string;
  let opened: BlobStore[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-blobs-'));
    opened = [];
  });
  afterEach(async () => {
    for (const blobs of opened) await blobs.close();
    await rm(folder, { recursive: true });
  });

  const open = async (worker = UPLOAD_WORKER): Promise<BlobStore> => {
    const blobs = await openDiskBlobs(folder, { worker });
    opened.push(blobs);
    return blobs;
  };
  const left = async () => (await readdir(join(folder, 'incoming'))).length;
  const kept = ({ sha256 }: { sha256: string }) => readFile(join(folder, sha256.slice(0, 2), sha256));

  it('keeps every byte of twenty uploads at once, for any length of uploads and chunks', async () => {
    const blobs = await open();
    const lengths = [
      0,
      1,
      MEGABYTE - 1,
      MEGABYTE,
      MEGABYTE + 1,
      2 * MEGABYTE,
      3 * MEGABYTE + 4_096,
      ...Array.from({ length: 13 }, () => randomInt(5 * MEGABYTE)),
    ];
    await Promise.all(
      lengths.map(async (length) => {
        const bytes = randomBytes(length);
        const received = await blobs.receive(cut(bytes));
        expect([received.sha256, received.size]).toEqual([sha256Of(bytes), length]);
        await received.commit();
        await received.discard();
        expect((await kept(received)).equals(bytes)).toBe(true);
      }),
    );
    expect(await left()).toBe(0);
  });

  it('takes an upload of 400 MB in memory that does not grow with it', async () => {
    const blobs = await open();
    const before = process.memoryUsage().rss;
    let highest = 0;
    async function* large(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < 400; sent += 1) {
        highest = Math.max(highest, process.memoryUsage().rss);
        yield Buffer.alloc(MEGABYTE, sent);
      }
    }
    const received = await blobs.receive(large());
    expect(received.size).toBe(400 * MEGABYTE);
    await received.discard();
    expect((highest - before) / MEGABYTE).toBeLessThan(250);
  });

  it('ends the source of a large upload that the disk refuses, and says what the disk said', async () => {
    const blobs = await open();
    let ended = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      await rm(join(folder, 'incoming'), { recursive: true });
      try {
        for (;;) yield randomBytes(MEGABYTE);
      } finally {
        ended = true;
      }
    }
    await expect(blobs.receive(endless())).rejects.toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining('no such file'),
    });
    expect(ended).toBe(true);
  });

  it('leaves nothing of a large upload whose source breaks off', async () => {
    const blobs = await open();
    async function* broken(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < 20; sent += 1) yield randomBytes(MEGABYTE);
      throw new Error('the cable was cut');
    }
    await expect(blobs.receive(broken())).rejects.toThrow('the cable was cut');
    expect(await left()).toBe(0);
  });

  it.each([
    ['ends', 'process.exit(1)', 'the thread that writes uploads is gone: it was ended'],
    ['throws', "(() => { throw new Error('out of luck'); })()", 'the thread that writes uploads is gone: out of luck'],
  ])(
    'fails the uploads of a thread that %s, leaves nothing of them, and begins another thread for the next',
    async (_how, last, message) => {
      const script = `import('node:worker_threads').then(({ parentPort }) => parentPort.on('message', ({ tell }) => tell === 'end' && ${last}))`;
      const blobs = await open(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
      const upload = () => blobs.receive(cut(randomBytes(3 * MEGABYTE)));
      await expect(upload()).rejects.toThrow(message);
      await expect(upload()).rejects.toThrow(message);
      expect(await left()).toBe(0);
    },
  );

  it('keeps answering while a large upload comes byte by byte', async () => {
    const blobs = await open();
    const bytes = randomBytes(1_300_000);
    let blockedMs = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      blockedMs = Math.max(blockedMs, performance.now() - last);
      last = performance.now();
    }, 10);
    // It gives way now and then, as a socket does.
    async function* drops(): AsyncGenerator<Uint8Array> {
      let count = 0;
      for (const byte of bytes) {
        if ((count += 1) % 5_000 === 0) await new Promise((resolve) => setImmediate(resolve));
        yield Uint8Array.of(byte);
      }
    }
    try {
      const received = await blobs.receive(drops());
      expect([received.sha256, received.size]).toEqual([sha256Of(bytes), bytes.length]);
      await received.discard();
    } finally {
      clearInterval(watch);
    }
    // Handed over one by one they took tens of seconds.
    expect(blockedMs).toBeLessThan(2_000);
  });

  it.each([
    ['past the page cache', true],
    ['through the page cache', false],
  ])('writes a file %s', async (_how, past) => {
    const bytes = randomBytes(40 * MEGABYTE + 17);
    const path = join(folder, 'file');
    const file = await DirectFile.create(path, past);
    for await (const chunk of cut(bytes)) await file.append(chunk);
    await file.end();
    await file.close();
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });
});

const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** In chunks of all lengths, some of them whole buffers of their own, as a socket gives them. */
async function* cut(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0, length = 0; at < bytes.length; at += length) {
    length = randomInt(1, 200_000);
    const chunk = bytes.subarray(at, at + length);
    yield length % 2 === 0 ? chunk : Buffer.from(new Uint8Array(chunk).buffer);
  }
}
