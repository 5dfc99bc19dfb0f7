import { createRolloutActivities } from '../../activities/rollout.js';
import { simulateOnce } from '../../domain/rollout/simulation/run.js';
import type { FleetModel } from '../../domain/rollout/simulation/model.js';
import { newRollout } from '../../protocol/http/rollout-plan.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import { openPool } from '../../store/db/pool.js';
import { createRollout } from '../../store/commands/rollouts.js';
import { asTenant } from '../../store/db/transaction.js';
import { SLOT } from '../messages.js';
import type { Context } from '../part.js';
import type { Stage } from '../stage.js';
import { now } from '../wait.js';
import { fill, freshDatabase } from './ticks.js';

export interface Million {
  readonly looks: number;
  readonly plannedMs: number;
  readonly rssBytes: number;
  readonly createdMs: number;
  readonly materialisedMs: number;
}

const TENANT = 'default';
const SECOND = 1_000;

/** What docs/scale.md tells of a large fleet: a whole rollout planned, and a rollout created and snapshotted. */
export async function measureMillion(context: Context, stage: Stage, devices: number): Promise<Million> {
  const databaseUrl = await freshDatabase(stage);
  const [firmwareId] = await fill(databaseUrl, devices);
  const pool = openPool({ databaseUrl, name: 'bench-million', max: 2 });
  context.atEnd(() => pool.end());
  const { plan, defaulted } = toPlan(
    newRollout.parse({
      name: 'million',
      steps: [{ slot: SLOT, firmwareId }],
      targets: { filter: 'name==bench*' },
      pace: { maxInFlight: 5_000, startsPerMinute: 100_000 },
    }),
  );
  const planned = now();
  const { looks } = simulateOnce(plan, modelOf(devices), 1, Date.now());
  const plannedMs = now() - planned;
  const rssBytes = process.resourceUsage().maxRSS * 1_024;
  const began = now();
  const { id } = await asTenant(pool, TENANT, (tx) =>
    createRollout(tx, TENANT, { plan, defaulted, createdBy: 'bench' }, Date.now()),
  );
  const created = now();
  const activities = createRolloutActivities({ pool });
  while ((await activities.tick({ tenantId: TENANT, rolloutId: id })).decision === 'go_on') continue;
  return { looks, plannedMs, rssBytes, createdMs: created - began, materialisedMs: now() - created };
}

/** As in docs/scale.md: 15 % of the devices away at first, 4 % of the attempts going wrong, the default groups. */
function modelOf(devices: number): FleetModel {
  const [canary, early] = [Math.ceil(devices / 100), Math.ceil(devices / 10)];
  return {
    groups: [canary, early, devices - canary - early],
    held: 0,
    online: 0.85,
    away: [60 * SECOND, 3_600 * SECOND, 86_400 * SECOND],
    skipped: 0,
    refused: 0,
    neverSeen: 0,
    bytes: 5_000_000,
    assumptions: [],
    kinds: [
      {
        name: 'bench',
        weight: 1,
        accept: [SECOND, 5 * SECOND],
        download: [30 * SECOND, 300 * SECOND],
        install: [60 * SECOND, 180 * SECOND],
        failures: { download: 0.02, install: 0.01, final: 0.005, rejected: 0, timeout: 0.005 },
      },
    ],
  };
}
