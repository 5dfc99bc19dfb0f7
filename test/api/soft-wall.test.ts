import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiProcess } from './api-process.js';

let api: ApiProcess;
beforeAll(async () => {
  api = await ApiProcess.prepare('soft wall');
  await api.start();
}, 60_000);
afterAll(() => api.remove());

describe('GET /health/ready', () => {
  it('says that the second wall is soft where the API has the login of the owner', async () => {
    const response = await api.fetch('GET', '/health/ready');
    const { dependencies } = (await response.json()) as { dependencies: Record<string, unknown> };
    expect(response.status).toBe(200);
    expect(dependencies['database']).toEqual({
      status: 'up',
      reason:
        'the second wall between tenants is soft: the login of the API can become others (SLIPWAY_DATABASE_URL_API)',
    });
  });
});
