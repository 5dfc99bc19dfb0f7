import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { UPLOAD_WORKER } from '../support/upload-worker.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

const MIB = 2 ** 20;

let folder: string;
let blobs: BlobStore;
let room = 10 * 1024 * MIB;
let api: ApiUnderTest;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-upload-limits-'));
  blobs = await openDiskBlobs(folder, { worker: UPLOAD_WORKER });
  expect(await blobs.room()).toBeGreaterThan(0);
  blobs.room = async () => room;
  api = await startApi('upload_limits', {
    services: { blobs, uploads: { maxBytes: 64 * MIB, minFreeBytes: 1024 * MIB } },
  });
});
afterAll(async () => {
  await api.close();
  await blobs.close();
  await rm(folder, { recursive: true, force: true });
});

let made = 0;
/** In chunks without a length where `chunks` is a function of them. */
async function upload(body: Uint8Array<ArrayBuffer> | (() => Generator<Uint8Array>)) {
  const firmware = await api.call('POST', '/v1/firmwares', { name: 'switch', version: `1.0.${(made += 1)}` });
  const reply = await fetch(`${api.url}/v1/firmwares/${firmware.body.data.id}/blob`, {
    method: 'POST',
    headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/octet-stream' },
    body: typeof body === 'function' ? ReadableStream.from(body()) : body,
    duplex: 'half',
  });
  const problem = (await reply.json()) as { errorCode?: string };
  await until('nothing is left of it', async () => (await readdir(join(folder, 'incoming'))).length === 0);
  return [reply.status, problem.errorCode];
}
function* pieces(count: number, each: (piece: number) => void = () => undefined): Generator<Uint8Array> {
  for (let piece = 0; piece < count; piece += 1) {
    each(piece);
    yield new Uint8Array(MIB).fill(piece);
  }
}

describe('An upload', () => {
  it('that is too large is 413: by its length before a byte is read, else when it is reached', async () => {
    expect(await upload(new Uint8Array(65 * MIB))).toEqual([413, 'REQUEST_TOO_LARGE']);
    expect(await upload(() => pieces(70))).toEqual([413, 'REQUEST_TOO_LARGE']);
    expect(await upload(() => pieces(3))).toEqual([200, undefined]);
  });

  it('that would leave too little room is 507, and one is while the room goes', async () => {
    room = 1025 * MIB;
    expect(await upload(new Uint8Array(2 * MIB).fill(7))).toEqual([507, 'FIRMWARE_STORE_FULL']);
    expect(await upload(new Uint8Array(1 * MIB).fill(8))).toEqual([200, undefined]);
    expect(await upload(() => pieces(60, (piece) => piece === 20 && (room = 1000 * MIB)))).toEqual([
      507,
      'FIRMWARE_STORE_FULL',
    ]);
    room = 10 * 1024 * MIB;
    expect(await upload(() => pieces(60))).toEqual([200, undefined]);
  });
});
