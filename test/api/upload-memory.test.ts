import { readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiProcess } from './api-process.js';

const MEGABYTE = 1024 * 1024;
const PIECES = 2048;
/** Of 2,048 times a mebibyte of "Slipway ": the sender need not hash beside the service, on the same two cores. */
const SHA256 = 'c511f207698ae9a6e1daef42ddb4379ec84222bf8f9479d44d336d35944cabc3';
/**
 * Buffers of sockets and of files, and what the collector has not come to yet: 34 to 42 MB were measured; a twentieth
 * of what is sent would be 102.
 */
const MAY_GROW = 96 * MEGABYTE;

let api: ApiProcess;
beforeAll(async () => {
  api = await ApiProcess.prepare('api_memory');
  await api.start();
});
afterAll(() => api.remove());

describe('the API process', () => {
  (process.platform === 'linux' ? it : it.skip)(
    'takes and serves 2 GB in constant memory',
    async () => {
      const { id } = (
        (await (await api.fetch('POST', '/v1/firmwares', { name: 'large' })).json()) as { data: { id: string } }
      ).data;
      const before = memory('VmRSS');
      writeFileSync(`/proc/${api.pid}/clear_refs`, '5'); // the peak counts from here
      const piece = Buffer.alloc(MEGABYTE, 'Slipway ');
      const body = Readable.toWeb(
        Readable.from(
          (function* () {
            for (let count = 0; count < PIECES; count += 1) yield piece;
          })(),
        ),
      ) as ReadableStream;
      const attached = await fetch(`${api.url}/v1/firmwares/${id}/blob`, {
        method: 'POST',
        headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/octet-stream' },
        body,
        duplex: 'half',
      });
      expect(attached.status).toBe(200);
      const { data } = (await (await api.fetch('GET', `/v1/firmwares/${id}`)).json()) as {
        data: { size: number; sha256: string; hashes: string[]; downloadUrl: string };
      };
      expect([data.size, data.sha256, data.hashes]).toEqual([PIECES * MEGABYTE, SHA256, [`1220${SHA256}`]]);
      let size = 0;
      for await (const chunk of (await fetch(data.downloadUrl)).body!) size += (chunk as Uint8Array).length;
      expect(size).toBe(PIECES * MEGABYTE);
      expect(memory('VmHWM') - before).toBeLessThan(MAY_GROW);
    },
    180_000,
  );
});

/** Bytes, of the API's process. */
function memory(name: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${api.pid}/status`, 'utf8'));
  return Number(line![1]) * 1024;
}
