import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { ApiProcess } from './api-process.js';
import { Listening } from './listening.js';

let api: ApiProcess;
beforeAll(async () => {
  api = await ApiProcess.prepare('api_live_events_process');
  await api.start();
}, 60_000);
afterAll(() => api.remove());

describe('A process that gets SIGTERM', () => {
  it('ends its streams within ten seconds, and readers continue with another process', async () => {
    const streams = await Promise.all(
      Array.from({ length: 50 }, () => Listening.to(`${api.url}/v1/events`, api.token)),
    );
    expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
    const began = Date.now();
    await api.end('SIGTERM');
    expect(Date.now() - began).toBeLessThan(5_000);
    await until('each stream ended as it should', () => streams.every(({ over }) => over === 'ended'));
    await api.start();
    const again = await Listening.to(`${api.url}/v1/events`, api.token, { 'Last-Event-ID': '0' });
    expect(again.status).toBe(200);
    again.leave();
  }, 60_000);
});
