import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '../support/database.js';
import { until } from './upload.js';

const TOKEN = randomBytes(24).toString('base64url');
const AUTH = { authorization: `Bearer ${TOKEN}` };
const MEGABYTE = 1024 * 1024;
const UPLOAD = 200 * MEGABYTE;
/** Buffers of sockets and of files, and what the collector has not come to yet; a tenth of what is sent would be 20 MB. */
const MAY_GROW = 64 * MEGABYTE;

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let folder: string;
let child: ChildProcess;
let url: string;
beforeAll(async () => {
  database = await createTestDatabase('api_memory');
  folder = await mkdtemp(join(tmpdir(), 'slipway-memory-'));
  child = spawn(process.execPath, ['dist/api/main.js'], {
    env: { ...process.env, DATABASE_URL: database.url, SLIPWAY_DATA_DIR: folder, SLIPWAY_HTTP_PORT: '0', SLIPWAY_ADMIN_TOKEN: TOKEN, SLIPWAY_LOG_LEVEL: 'info' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      const said = JSON.parse(line) as { msg?: string; port?: number };
      if (said.msg === 'listens') resolve(said.port!);
    });
    child.once('exit', (code) => reject(new Error(`the API ended with ${code}`)));
  });
  url = `http://127.0.0.1:${port}`;
  await until('the API answers', async () => (await fetch(`${url}/v1/firmwares`, { headers: AUTH })).status === 200, 30_000);
});
afterAll(async () => {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  await database.drop();
  await rm(folder, { recursive: true });
});

describe('the API process', () => {
  (process.platform === 'linux' ? it : it.skip)('takes and serves 200 MB in constant memory', async () => {
    const made = await fetch(`${url}/v1/firmwares`, { method: 'POST', headers: { ...AUTH, 'content-type': 'application/json' }, body: '{"name":"large"}' });
    const { id } = ((await made.json()) as { data: { id: string } }).data;
    const before = memory('VmRSS');
    writeFileSync(`/proc/${child.pid}/clear_refs`, '5'); // the peak counts from here
    const hash = createHash('sha256');
    const body = Readable.toWeb(Readable.from(generated(hash))) as ReadableStream;
    const attached = await fetch(`${url}/v1/firmwares/${id}/blob`, { method: 'POST', headers: { ...AUTH, 'content-type': 'application/octet-stream' }, body, duplex: 'half' });
    expect(attached.status).toBe(200);
    const { downloadUrl } = ((await attached.json()) as { data: { downloadUrl: string } }).data;
    const back = createHash('sha256');
    for await (const chunk of (await fetch(downloadUrl)).body!) back.update(chunk as Uint8Array);
    expect(back.digest('hex')).toBe(hash.digest('hex'));
    expect(memory('VmHWM') - before).toBeLessThan(MAY_GROW);
  });
});

/** Different bytes in each piece, cheap to make. */
async function* generated(hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  const piece = randomBytes(MEGABYTE);
  for (let at = 0; at < UPLOAD; at += MEGABYTE) {
    piece.writeUInt32BE(at, 0);
    const bytes = Buffer.from(piece);
    hash.update(bytes);
    yield bytes;
  }
}

/** Bytes, of the API's process. */
function memory(name: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
  return Number(line![1]) * 1024;
}
