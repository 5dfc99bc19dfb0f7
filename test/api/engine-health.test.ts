import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiProcess } from './api-process.js';

/** Longer than the 127 bytes whose length takes one byte of the question. */
const NOWHERE = `nowhere-${'x'.repeat(140)}`;
let api: ApiProcess;
beforeAll(async () => {
  api = await ApiProcess.prepare('engine health', {
    TEMPORAL_ADDRESS: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!,
    TEMPORAL_NAMESPACE: NOWHERE,
  });
  await api.start();
}, 60_000);
afterAll(() => api.remove());

describe('GET /health/ready', () => {
  it('says that Temporal is down where it does not know the namespace', async () => {
    const { dependencies } = (await (await api.fetch('GET', '/health/ready')).json()) as {
      dependencies: Record<string, { status: string; reason?: string }>;
    };
    expect(dependencies['temporal']).toEqual({
      status: 'down',
      reason: 'does not know its namespace: installations wait where they are',
    });
  });
});
