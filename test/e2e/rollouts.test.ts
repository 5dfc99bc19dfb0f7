import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFleet, type Fleet } from '../../agent/simulator/fleet.js';
import type { ProfileName } from '../../agent/simulator/profiles.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { isInside } from '../support/outside.js';

interface Rollout {
  id: string;
  phase: string;
  because: string;
  waitingOn: string | null;
  workflowUrl: string | null;
  groups: { name: string; state: string; counters: Record<string, number> }[];
  pauses: { reason: string }[];
}

const PROFILES: readonly ProfileName[] = [
  ...Array<ProfileName>(22).fill('good'),
  ...Array<ProfileName>(3).fill('slow'),
  'resume',
  'flapping',
  'duplicating',
  'crashing',
  'rejecting',
];
const CAP = 6;
const dir = mkdtempSync(join(tmpdir(), 'slipway-rollouts-'));
const service = new TestedAllInOne();
let fleet: Fleet;
let typeId = '';
let devices: string[] = [];
let versions = 1;

beforeAll(async () => {
  await service.start();
  const { operator } = service;
  typeId = await operator.deviceType({ name: 'switch', slots: { firmware: { name: 'Firmware' } } });
  const connected = await Promise.all(
    PROFILES.map(async (profile, index) => {
      const id = await operator.device({ name: `device ${index}`, deviceTypeId: typeId });
      const { username, password } = await operator.password(id);
      return { tenant: 'default', id, profile, username, password };
    }),
  );
  devices = connected.map((one) => one.id);
  fleet = createFleet({
    devices: connected,
    mqttUrl: service.endpoints.mqtt,
    dir,
    seed: 11,
    times: { install: 300, reboot: 300, slowDownload: 2_000, defer: 1_000, down: 500 },
  });
  await fleet.start();
}, 120_000);
afterAll(async () => {
  await fleet?.stop();
  await service.stop();
  service.remove();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

async function firmware(): Promise<{ id: string; sha256: string }> {
  const { operator } = service;
  const bytes = randomBytes(100_000);
  const file = join(dir, 'firmware.bin');
  writeFileSync(file, bytes);
  const id = await operator.firmware('switch', `${(versions += 1)}.0.0`, file);
  await operator.associate(typeId, 'firmware', id);
  return { id, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const create = (firmwareId: string, more: object = {}) =>
  service.operator.call<Rollout>('POST', '/v1/rollouts', {
    name: `switch ${versions}`,
    steps: [{ slot: 'firmware', firmwareId }],
    targets: { deviceIds: devices },
    pace: { maxInFlight: CAP },
    groups: [
      { name: 'canary', percent: 10, gate: { minSuccess: 0.5 } },
      { name: 'early', percent: 40, gate: { minSuccess: 0.5 } },
      { name: 'rest', gate: { minSuccess: 0.5 } },
    ],
    stopIf: [],
    timeouts: { offer: 'PT15S', download: 'PT30S', install: 'PT30S', confirm: 'PT30S' },
    retry: { maxAttempts: 4, backoff: { first: 'PT1S', max: 'PT2S' } },
    ...more,
  });
const look = (id: string) => service.operator.call<Rollout>('GET', `/v1/rollouts/${id}`);
const ended = (id: string, ms: number) =>
  until(
    'the end of the rollout',
    async () => {
      const found = await look(id);
      return found.phase === 'finished' || found.phase === 'aborted' ? found : undefined;
    },
    ms,
  );

/** What the database says of all that was ever open at once: neither the planner nor the counters are asked. */
async function facts(id: string): Promise<{ mostOpen: number; devicesTwice: number; fired: number }> {
  const client = new pg.Client({ connectionString: service.endpoints.database });
  await client.connect();
  try {
    const { rows } = await client.query<{ at: Date; by: number }>(
      `SELECT requested_at AS at, 1 AS by FROM installations WHERE rollout_id = $1 UNION ALL SELECT ended_at, -1 FROM installations WHERE rollout_id = $1 AND ended_at IS NOT NULL ORDER BY at, by`,
      [id],
    );
    let open = 0;
    const mostOpen = rows.reduce((most, row) => Math.max(most, (open += row.by)), 0);
    const twice = await client.query(
      `SELECT device_id FROM installations WHERE rollout_id = $1 AND state = 'installed' GROUP BY 1 HAVING count(*) > 1`,
      [id],
    );
    const fired = await client.query(`SELECT FROM history WHERE rollout_id = $1 AND event = 'fire_rule'`, [id]);
    return { mostOpen, devicesTwice: twice.rows.length, fired: fired.rows.length };
  } finally {
    await client.end();
  }
}

describe('A rollout end to end', () => {
  it('updates a fleet group by group under its cap, with a workflow that can be inspected', async () => {
    const { id, sha256 } = await firmware();
    const created = await create(id);
    expect(created.phase).toBe('draft');
    await service.operator.call('POST', `/v1/rollouts/${created.id}/start`, {});
    const found = await ended(created.id, 90_000);
    expect(
      found.groups.map(({ name, state, counters }) => [name, state, counters['installed']! + counters['rejected']!]),
    ).toEqual([
      ['canary', 'passed', 3],
      ['early', 'passed', 12],
      ['rest', 'passed', 15],
    ]);
    for (const [index, device] of devices.entries())
      expect([PROFILES[index], await fleet.device(device).holds('firmware', sha256)]).toEqual([
        PROFILES[index],
        PROFILES[index] !== 'rejecting',
      ]);
    expect(await facts(created.id)).toMatchObject({ devicesTwice: 0 });
    expect((await facts(created.id)).mostOpen).toBeLessThanOrEqual(CAP);
    expect(found.workflowUrl).toContain(`rollout-${created.id}`);
  }, 120_000);

  it.each([
    ['the orchestrator', 'workers/orchestrator.js'],
    ['the Temporal server', 'temporal server start-dev'],
    ...(isInside('PostgreSQL', 'it is killed while groups advance', 'It is not a child of the all in one')
      ? [['PostgreSQL', 'postgres -D'] as const]
      : []),
    ['the bridge', 'workers/bridge.js'],
  ] as const)(
    'R1 R7 R10 kill -9 of %s while groups advance and a threshold is crossed: the cap holds, no device twice, the threshold once',
    async (_name, command) => {
      const { id } = await firmware();
      // One device refuses every firmware: the rule acts when its turn comes, and a person resumes.
      const created = await create(id, { stopIf: [{ outcome: 'rejected', share: 0.001, after: 1, then: 'pause' }] });
      await service.operator.call('POST', `/v1/rollouts/${created.id}/start`, {});
      await until(
        'the second group',
        async () =>
          (await look(created.id)).groups[1]!.counters['installed']! + (await look(created.id)).pauses.length > 0,
        60_000,
      );
      const victim = service.processes().find((one) => one.command.includes(command))!;
      process.kill(victim.pid, 'SIGKILL');
      const resume = async (): Promise<Rollout | undefined> => {
        const found = await look(created.id);
        if (found.phase === 'paused')
          await service.operator.call('POST', `/v1/rollouts/${created.id}/resume`, {
            reason: found.pauses[0]!.reason,
            comment: 'that device refuses everything',
          });
        return found.phase === 'finished' ? found : undefined;
      };
      await until('the end of the rollout', resume, 90_000);
      const seen = await facts(created.id);
      expect(seen.mostOpen).toBeLessThanOrEqual(CAP);
      expect([seen.devicesTwice, seen.fired]).toEqual([0, 1]);
    },
    180_000,
  );
});
