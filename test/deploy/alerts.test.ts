import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createMetrics } from '../../api/metrics.js';
import { Health } from '../../runtime/health/parts.js';
import { openPool } from '../../store/db/pool.js';
import { read } from '../repo/files.js';
import { run } from './programs.js';

const RULES = 'deploy/prometheus/slipway.rules.yml';
const STORIES = 'deploy/prometheus/slipway.rules.test.yml';
const DASHBOARD = 'deploy/grafana/slipway.json';

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
}
interface Story {
  alert_rule_test: { alertname: string; exp_alerts: unknown[] }[];
}
interface Panel {
  title: string;
  description: string;
  targets: { expr: string }[];
}

const rules = (parse(read(RULES)) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const stories = (parse(read(STORIES)) as { tests: Story[] }).tests.flatMap((story) => story.alert_rule_test);
const panels = (JSON.parse(read(DASHBOARD)) as { panels: Panel[] }).panels;
const operations = read('docs/operations.md');
const queries = [...rules.map(({ expr }) => expr), ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))];

const promtool = (...args: string[]) => run('promtool', args);

/** What a running API and the probe ports of the others print, by name; no part needs to be up for that. */
async function metricNames(): Promise<Set<string>> {
  const pool = openPool({ databaseUrl: 'postgres://slipway@127.0.0.1:1/slipway', name: 'names' });
  const { text } = await createMetrics(pool, new Health([])).print();
  await pool.end();
  const ofProbes = ['workers/bridge.ts', 'workers/broker.ts'].flatMap((file) => [
    ...read(file).matchAll(/\b(slipway_[a-z_]+): \{/g),
  ]);
  expect(ofProbes).toHaveLength(2);
  return new Set([
    ...[...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name!],
    ),
    ...ofProbes.map(([, name]) => name!),
  ]);
}

describe('Alerts', () => {
  it('pass their stories in promtool', () => {
    expect(promtool('check', 'rules', RULES)).toMatchObject({ status: 0 });
    expect(promtool('test', 'rules', STORIES)).toMatchObject({ status: 0, said: expect.stringContaining('SUCCESS') });
  });

  it.each(rules.map(({ alert }) => alert))('have a story in which %s fires, and one in which it does not', (alert) => {
    const of = stories.filter(({ alertname }) => alertname === alert);
    expect(of.filter(({ exp_alerts }) => exp_alerts.length > 0)).not.toEqual([]);
    expect(of.filter(({ exp_alerts }) => exp_alerts.length === 0)).not.toEqual([]);
  });

  it('have a section of docs/operations.md each, with their severity and time, and each section has its alert', () => {
    const sections = [
      ...operations.matchAll(
        /^### (Slipway[A-Za-z]+)\n\n\*(critical|warning)(?:, (?:after (\d+) min|at once))?\.\* ./gm,
      ),
    ].map(([, name, severity, minutes]) => ({ name, severity, for: minutes && `${minutes}m` }));
    expect(sections).toEqual(
      rules.map((rule) => ({ name: rule.alert, severity: rule.labels.severity, for: rule.for })),
    );
    expect(operations.match(/^### Slipway/gm)).toHaveLength(rules.length);
    for (const { alert, annotations } of rules)
      expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`);
  });
});

describe('The dashboard', () => {
  it('has queries that Prometheus can read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-queries-'));
    try {
      const file = join(folder, 'queries.json');
      const recorded = (exprs: string[]) =>
        writeFileSync(
          file,
          JSON.stringify({
            groups: [{ name: 'queries', rules: exprs.map((expr, n) => ({ record: `query_${n}`, expr })) }],
          }),
        );
      recorded(queries);
      expect(promtool('check', 'rules', file)).toMatchObject({ status: 0, said: expect.stringContaining('SUCCESS') });
      recorded([...queries, 'max by (part (slipway_part)']);
      expect(promtool('check', 'rules', file).status).not.toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says in docs/operations.md what each figure means, in the order in which they stand', () => {
    const [, table = ''] = /^\| figure \| means \| good \|\n\|[-|]+\|\n((?:\|.*\n)+)/m.exec(operations) ?? [];
    expect([...table.matchAll(/^\| (.+?) \| .+ \| .+ \|$/gm)].map(([, title]) => title)).toEqual(
      panels.map(({ title }) => title),
    );
    expect(panels.filter(({ description }) => !description)).toEqual([]);
  });
});

describe('The queries of alerts and dashboard', () => {
  it('name metrics that the service has', async () => {
    const known = await metricNames();
    expect(known.size).toBeGreaterThan(40);
    const named = new Set(
      queries.flatMap((query) => [...query.matchAll(/\b(?:slipway|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name)),
    );
    expect(named.size).toBeGreaterThan(15);
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
  });

  it('never add up what is the same in every API', () => {
    const ofOneProcess = /slipway_(http_request_duration_seconds|bridge_leads|broker_connections)/;
    const summed = queries.filter((query) =>
      [...query.matchAll(/\bsum(?: by \([a-z, ]+\))? ?\((?:rate\(|increase\()?(slipway_[a-z_]+)/g)].some(
        ([, name]) => !ofOneProcess.test(name!),
      ),
    );
    expect(summed).toEqual([]);
  });
});
