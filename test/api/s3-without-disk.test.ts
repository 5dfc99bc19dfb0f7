import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestedS3 } from '../support/versitygw.js';
import { until } from '../support/until.js';
import { ApiProcess } from './api-process.js';
import { TusClient } from './resumed.js';

let s3: TestedS3;
let api: ApiProcess;
let folder: string;
beforeAll(async () => {
  s3 = await TestedS3.start();
  folder = mkdtempSync(join(tmpdir(), 'slipway-no-disk-'));
  // What lies below a file cannot be made, not even by root.
  writeFileSync(join(folder, 'a file'), '');
  api = await ApiProcess.prepare('api_s3_without_disk', {
    ...s3.settings,
    SLIPWAY_DATA_DIR: join(folder, 'a file', 'data'),
  });
  await api.start();
}, 120_000);
afterAll(async () => {
  await api?.remove();
  await s3?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

describe('An API that keeps its blobs in S3', () => {
  it('asks for no directory: uploads, also those that resume, and downloads work where its data folder cannot be made', async () => {
    const make = async () => {
      const answer = await api.fetch('POST', '/v1/firmwares', { name: 'switch', version: '1.0.0' });
      return ((await answer.json()) as { data: { id: string } }).data.id;
    };
    const whole = await make();
    const bytes = randomBytes(300_000);
    const uploaded = await fetch(`${api.url}/v1/firmwares/${whole}/blob`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/octet-stream' },
      body: bytes,
    });
    expect(uploaded.status).toBeLessThan(300);
    const tus = new TusClient(api.url, api.token);
    const resumed = await make();
    const path = await tus.begin(resumed, bytes.length + 1);
    expect((await tus.send(path, 0, bytes)).status).toBe(204);
    expect(await tus.offset(path)).toBe(bytes.length);
    expect((await tus.send(path, bytes.length, Buffer.from('x'))).status).toBe(204);
    for (const id of [whole, resumed])
      await until(`${id} is ready, and its link leads to the bucket`, async () => {
        const { data } = (await (await api.fetch('GET', `/v1/firmwares/${id}`)).json()) as {
          data: { state: string; downloadUrl?: string };
        };
        if (data.downloadUrl === undefined) return false;
        const { status, headers } = await fetch(data.downloadUrl, { redirect: 'manual' });
        return status === 302 && headers.get('location')!.startsWith(s3.endpoint);
      });
    expect((await fetch(`${api.url}/health/ready`)).status).toBe(200);
    expect(readdirSync(folder)).toEqual(['a file']);
  }, 60_000);
});
