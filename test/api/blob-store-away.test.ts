import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openS3Blobs } from '../../adapters/blobs/s3.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { freePort } from '../../workers/embedded/ports.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let blobs: BlobStore;
let api: ApiUnderTest;
beforeAll(async () => {
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'nobody-there',
    AWS_SECRET_ACCESS_KEY: 'nobody-there',
    AWS_REGION: 'us-east-1',
  });
  blobs = openS3Blobs({ bucket: 'away', endpoint: `http://127.0.0.1:${await freePort()}` });
  api = await startApi('api_blobs_away', { services: { blobs } });
});
afterAll(async () => {
  await api.close();
  await blobs.close();
});

describe('While S3 does not answer', () => {
  it('an upload is refused with 503, which names the blob store and not the database', async () => {
    const { body: made } = await api.call('POST', '/v1/firmwares', { name: 'switch', version: '1.5.0' });
    const refused = await fetch(`${api.url}/v1/firmwares/${made.data.id}/blob`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/octet-stream' },
      body: 'some bytes',
    });
    expect(refused.status).toBe(503);
    const problem = (await refused.json()) as { errorCode: string; detail: string };
    expect(problem).toMatchObject({
      errorCode: 'SERVICE_UNAVAILABLE',
      detail: 'the blob store does not answer; try again in a few seconds',
    });
  });

  it('health says so of the blobs alone, and metrics show it', async () => {
    const { status, body } = await api.call('GET', '/health/ready');
    expect(status).toBe(503);
    expect(body.dependencies).toMatchObject({
      database: { status: 'up' },
      blobs: { status: 'down', reason: 'does not answer: uploads and downloads wait' },
    });
    const { body: metrics } = await api.call('GET', '/metrics');
    expect(metrics).toContain('slipway_part{part="blobs",state="down"} 1');
    expect(metrics).toContain('slipway_part{part="blobs",state="up"} 0');
    expect(metrics).toContain('slipway_part{part="database",state="up"} 1');
  });
});
