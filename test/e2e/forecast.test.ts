import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFleet, type Fleet } from '../../agent/simulator/fleet.js';
import type { Profile } from '../../agent/simulator/profile.js';
import { parseDuration } from '../../domain/duration.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';

interface Rollout {
  id: string;
  phase: string;
  startedAt: string;
  finishedAt: string | null;
  pauses: { reason: string; since: string }[];
  stopIf: Record<string, unknown>[];
}
interface Forecast {
  duration: { p50: string } | null;
  outcomes: Record<string, number>;
  peakInFlight: { p50: number };
  stopRules: { chance: number }[];
}

/**
 * Devices that take their time, so that it is they who count and not the machine: 6 s for the download, 5 s for the
 * installation with its reboot.
 */
const TIMES = { slowDownload: 6_000, install: 3_500, reboot: 1_000 };
const DEVICES = 18;
const CAP = 6;
/** Of the devices, every third refuses what comes with the second rollout. */
const REFUSES = 3;
let isRefusing = false;
const profile = (index: number): Profile => ({
  name: 'slow',
  expected: { state: 'installed', because: 'it takes its time' },
  behave: (control) => ({
    offered: async () =>
      isRefusing && index % REFUSES === 0
        ? { answer: 'reject', code: 'INCOMPATIBLE', message: 'not on this board', retriable: false }
        : { answer: 'accept' },
    async received({ bytes, desired }) {
      await control.wait((control.times.slowDownload * bytes.length) / Math.max(1, desired.firmware.size));
      return bytes;
    },
  }),
});

const dir = mkdtempSync(join(tmpdir(), 'slipway-forecast-'));
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
    Array.from({ length: DEVICES }, async (_, index) => {
      const id = await operator.device({ name: `device ${index}`, deviceTypeId: typeId });
      const { username, password } = await operator.password(id);
      return { tenant: 'default', id, profile: profile(index), username, password };
    }),
  );
  devices = connected.map((one) => one.id);
  fleet = createFleet({ devices: connected, mqttUrl: service.endpoints.mqtt, dir, seed: 5, times: TIMES });
  await fleet.start();
  await until('every device is online', async () =>
    (await operator.all<{ online: boolean }>('/v1/devices')).every(({ online }) => online),
  );
}, 120_000);
afterAll(async () => {
  await fleet?.stop();
  await service.stop();
  service.remove();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

async function bodyOf(more: object): Promise<object> {
  const { operator } = service;
  const file = join(dir, 'firmware.bin');
  writeFileSync(file, randomBytes(100_000));
  const firmwareId = await operator.firmware('switch', `${(versions += 1)}.0.0`, file);
  await operator.associate(typeId, 'firmware', firmwareId);
  return {
    name: `switch ${versions}`,
    steps: [{ slot: 'firmware', firmwareId }],
    targets: { deviceIds: devices },
    groups: [{ name: 'all' }],
    pace: { maxInFlight: CAP },
    stopIf: [],
    ...more,
  };
}

/** Runs it until nothing more happens by itself. */
async function runs(body: object): Promise<Rollout> {
  const { operator } = service;
  const { id } = await operator.call<Rollout>('POST', '/v1/rollouts', body);
  await operator.call('POST', `/v1/rollouts/${id}/start`, {});
  return until(
    'the end of the rollout',
    async () => {
      const found = await operator.call<Rollout>('GET', `/v1/rollouts/${id}`);
      await sleep(500);
      return found.phase === 'finished' || found.phase === 'paused' ? found : undefined;
    },
    150_000,
  );
}

/** The most that was ever open at once, as the database tells. */
async function peakOf({ id }: Rollout): Promise<number> {
  const client = new pg.Client({ connectionString: service.endpoints.database });
  await client.connect();
  try {
    const { rows } = await client.query<{ by: number }>(
      `SELECT requested_at AS at, 1 AS by FROM installations WHERE rollout_id = $1 UNION ALL SELECT ended_at, -1 FROM installations WHERE rollout_id = $1 AND ended_at IS NOT NULL ORDER BY at, by`,
      [id],
    );
    let open = 0;
    return rows.reduce((most, row) => Math.max(most, (open += row.by)), 0);
  } finally {
    await client.end();
  }
}

const RULE = { outcome: 'rejected', share: 0.05, after: 9, then: 'pause' };

describe('A forecast compared with the rollout', () => {
  it('forecasts the duration from past installations (within 25 %), a silent stop rule, and the peak in flight (within 10 %)', async () => {
    await runs(await bodyOf({ pace: { maxInFlight: DEVICES } }));
    const body = await bodyOf({ stopIf: [RULE] });
    const forecast = await service.operator.call<Forecast>('POST', '/v1/rollout-simulations', body);
    const real = await runs(body);
    expect([real.phase, forecast.outcomes['finished'], forecast.stopRules[0]!.chance]).toEqual(['finished', 1, 0]);
    const [foretold, took] = [
      parseDuration(forecast.duration!.p50)!,
      Date.parse(real.finishedAt!) - Date.parse(real.startedAt),
    ];
    expect(Math.abs(foretold - took) / took).toBeLessThan(0.25);
    const peak = await peakOf(real);
    expect(Math.abs(forecast.peakInFlight.p50 - peak) / peak).toBeLessThanOrEqual(0.1);
  }, 200_000);

  it('forecasts that the stop rule acts after a rollout in which a third of the devices failed', async () => {
    isRefusing = true;
    await runs(await bodyOf({ pace: { maxInFlight: DEVICES } }));
    const body = await bodyOf({ stopIf: [RULE] });
    const forecast = await service.operator.call<Forecast>('POST', '/v1/rollout-simulations', body);
    const real = await runs(body);
    expect([real.phase, real.pauses[0]?.reason]).toEqual(['paused', 'failure_budget']);
    expect(forecast.stopRules[0]!.chance).toBeGreaterThan(0.5);
  }, 200_000);
});
