import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { simulate } from '../../domain/rollout/simulate.js';
import { newRollout } from '../../protocol/http/rollout-plan.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { readFleetModel } from '../../store/rollouts/model.js';
import type { TargetView } from '../../store/rollouts/view.js';
import { createTestDatabase } from '../support/database.js';
import { Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('what a forecast knows');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Installations by hand that tell no phases, one after the other: so many succeed, then so many are rejected. */
async function past(story: Story, succeed: number, reject: number): Promise<void> {
  const firmwares: string[] = [];
  for (const [index, content] of ['c', 'd', 'e'].entries())
    firmwares.push(await story.facts.firmware(content, `1.${index + 1}.0`));
  for (let index = 0; index < succeed + reject; index += 1) {
    const deviceId = story.devices[index % story.devices.length]!;
    const { id } = await story.facts.install(deviceId, firmwares[Math.floor(index / story.devices.length)]!);
    const error = { code: 'INCOMPATIBLE', message: 'wrong board' };
    await story.report(
      [{ deviceId, installationId: id } as TargetView],
      index < succeed ? { type: 'installed' } : { type: 'rejected', error },
    );
  }
}

async function forecastOf(story: Story, more: Record<string, unknown> = {}) {
  const steps = [{ slot: 'firmware', firmwareId: story.firmware }];
  const body = { name: 'x', steps, targets: { deviceIds: story.devices }, groups: [{ name: 'all' }], ...more };
  const { plan } = toPlan(newRollout.parse(body));
  const model = await asTenant(pool, 'default', (tx) => readFleetModel(tx, 'default', plan, Date.now()));
  return { model, forecast: simulate({ plan, model, seed: 1, now: Date.now() }) };
}

describe('A forecast', () => {
  it('goes by how such devices ended, also where it is not known how long they took', async () => {
    const story = await Story.given(pool, { online: 33 });
    await past(story, 70, 29);
    const { model, forecast } = await forecastOf(story);
    expect(model.kinds[0]!.failures).toMatchObject({ rejected: 29 / 99, download: 0 });
    const all = forecast.assumptions.join(' ');
    expect(all).toContain('fail as the 99 newest of their installations in this slot did');
    expect(all).toContain('take is not known');
    expect(all).not.toContain('no past');
    expect(forecast.stopRules[0]!.chance).toBeGreaterThan(0.9);
  });

  it('uses a few observations with what they are worth, and says how many', async () => {
    const story = await Story.given(pool, { online: 4 });
    await past(story, 2, 2);
    const { model, forecast } = await forecastOf(story);
    // Two of ten, where six of the ten are assumed.
    expect(model.kinds[0]!.failures.rejected).toBeCloseTo(0.2, 5);
    expect(model.kinds[0]!.failures.download).toBeCloseTo(0.003, 5);
    expect(forecast.assumptions.join(' ')).toContain('have 4 installations in this slot that ended');
  });

  it('knows which devices the admission would skip or refuse, as the rollout then does', async () => {
    const story = await Story.given(pool, { online: 10 });
    for (const [index, version] of ['3.0.0', '3.0.0', 'factory', 'factory', 'factory'].entries())
      await story.hello(story.devices[index]!, { version, sha256: `${index}`.repeat(64) });
    const gate = { minSuccess: 0.9, minSample: 'all' };
    const { model, forecast } = await forecastOf(story, { groups: [{ name: 'all', gate }], stopIf: [] });
    expect(model).toMatchObject({ held: 0, skipped: 0.2, refused: 0.3 });
    expect(forecast.assumptions).toEqual(
      expect.arrayContaining([
        '20 % of the devices are skipped: their slot holds a newer version.',
        '30 % of the devices are refused: what their slot holds cannot be compared with the version.',
      ]),
    );
    await story.starts({ groups: [{ name: 'all', gate }], stopIf: [] });
    expect(await story.counters()).toEqual({ all: { skipped: 2, rejected: 3, inFlight: 5 } });
    const asked = await forecastOf(story, { allowDowngrade: true });
    expect(asked.model).toMatchObject({ skipped: 0, refused: 0 });
  });

  it('does not say that it finishes where no device was ever there', async () => {
    const story = await Story.given(pool, { offline: 3 });
    await story.facts.sql(`UPDATE devices SET last_seen_at = NULL WHERE id = ANY($1::uuid[])`, [story.devices]);
    for (const pace of [{ offline: 'wait' }, { offline: 'offer' }]) {
      const { forecast } = await forecastOf(story, { pace });
      expect([pace.offline, forecast.outcomes.finished]).toEqual([pace.offline, 0]);
      expect(forecast.outcomes.failed + forecast.outcomes.paused).toBe(1);
    }
  });
});
