import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addCounts, MESSAGES_REFUSED, PROCESS_FAILURES, INGEST_SECONDS } from '../../store/db/counters.js';
import { CounterBuffer } from '../../runtime/counter-buffer.js';
import { createLog } from '../../runtime/log.js';
import { Facts } from '../support/facts.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let api: ApiUnderTest;
beforeAll(async () => (api = await startApi('metrics')));
afterAll(() => api.close());

const scrape = async () => (await api.call('GET', '/metrics')).body as string;
const names = (text: string) => new Set([...text.matchAll(/\bslipway_[a-z_]+/g)].map(([name]) => name));

describe('The figures of a running service', () => {
  it('include each metric of the dashboard and of operations.md', async () => {
    const counters = new CounterBuffer((counts) => addCounts(api.pool, counts), createLog('test', 'silent'), 60_000);
    counters.count(MESSAGES_REFUSED, 'too_large', 1);
    await counters.end();
    await api.call('GET', '/v1/devices');
    const shown = new Set(
      [...(await scrape()).matchAll(/^(slipway_[a-z_]+)(?:\{.*\})? [\d.e+-]+$/gm)].map(([, name]) => name!),
    );
    const panels = (
      JSON.parse(readFileSync('deploy/grafana/slipway.json', 'utf8')) as { panels: { targets: { expr: string }[] }[] }
    ).panels;
    const onDashboard = names(panels.flatMap((panel) => panel.targets.map((target) => target.expr)).join(' '));
    expect(onDashboard.size).toBeGreaterThan(10);
    // Bridge and broker show these on their probe ports (test/deploy/alerts.test.ts knows them, too).
    const ofProbes = ['slipway_bridge_leads', 'slipway_broker_connections'];
    expect([...onDashboard].filter((name) => !shown.has(name))).toEqual(ofProbes);
    const explained = names(readFileSync('docs/operations.md', 'utf8').split('## It is stuck')[0]!);
    const unexplained = [...shown].filter(
      (name) =>
        !explained.has(
          name.replace(/_(sum|count)$/, '').replace('request_duration_seconds_bucket', 'request_duration_seconds'),
        ),
    );
    expect(unexplained).toEqual([]);
  });

  it('are 0 where nothing has happened, since an alert on a missing series never fires', async () => {
    const text = await scrape();
    for (const line of [
      'slipway_installations_overdue 0',
      'slipway_installations_overdue_oldest_seconds 0',
      `${PROCESS_FAILURES}{reason="workflow"} 0`,
      `${INGEST_SECONDS}{le="+Inf"} 0`,
    ])
      expect(text).toContain(`${line}\n`);
  });

  it('show an installation whose deadline passed and was not judged', async () => {
    const facts = await new Facts(api.pool).begin();
    const { id } = await facts.install(await facts.device(), await facts.firmware('a'));
    await facts.sql(`UPDATE installations SET due_at = now() - interval '90 seconds' WHERE id = $1`, [id]);
    // What the database says is kept for a second.
    const text = await until('the scrape that shows it', async () => {
      const found = await scrape();
      return found.includes('slipway_installations_overdue 1\n') && found;
    });
    const [, seconds] = /^slipway_installations_overdue_oldest_seconds (\d+)/m.exec(text)!;
    expect(Number(seconds)).toBeGreaterThanOrEqual(90);
  });
});
