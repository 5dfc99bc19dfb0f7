import type { Installation } from '../../domain/installation/installation.js';
import { newInstallation } from '../../domain/installation/new-installation.js';
import { DEFAULT_POLICY, type Policy, type TurnRules } from '../../domain/installation/policy.js';
import { onlyStep, type Plan } from '../../domain/rollout/plan.js';
import { newId } from '../db/ids.js';
import type { Tx } from '../db/pool.js';
import { iso } from '../db/times.js';
import { writeHistory } from '../history/history.js';
import { insertInstallations } from '../installations/rows.js';
import { mark } from '../outbox/outbox.js';
import type { StoredRollout } from '../rollouts/rows.js';

/** What a rollout installs on one of its devices. */
export interface RolloutInstallation {
  readonly deviceId: string;
  readonly firmwareId: string;
  readonly sha256: string;
  readonly version: string | null;
}

/**
 * An installation of this rollout as it begins.
 * @param isBehind another one executes on the device: it is queued, and takes no place of the cap
 */
export function installationOf(
  rollout: StoredRollout,
  what: RolloutInstallation,
  rules: TurnRules,
  isBehind: boolean,
  now: number,
): Installation {
  const { tenantId, id, plan } = rollout;
  const installation = newInstallation(
    {
      tenantId,
      id: newId(),
      ...what,
      slot: onlyStep(plan).slot,
      rolloutId: id,
      policy: { ...policyOf(plan), rules },
      priority: plan.priority,
      gate: 'go',
      notBefore: null,
      deadline: null,
    },
    now,
  );
  return isBehind ? { ...installation, place: 'none' } : installation;
}

/** Retries are the rollout's: each of its installations has one attempt. */
function policyOf({ timeouts: t, confirm }: Plan): Policy {
  return {
    ...DEFAULT_POLICY,
    soak: confirm.soak,
    retry: { ...DEFAULT_POLICY.retry, maxAttempts: 1 },
    timeouts: { offer: t.offer, download: t.download, install: t.install, confirm: t.confirm },
  };
}

/** An installation that a rollout starts, with what its history says of that. */
export interface Start {
  readonly installation: Installation;
  readonly retryOf: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * Starts installations of a rollout: their rows, their first history entries, the marks that start their processes, and
 * what its rate counts.
 */
export async function startInstallations(
  tx: Tx,
  rollout: StoredRollout,
  starts: readonly Start[],
  now: number,
): Promise<void> {
  const { tenantId, id, createdBy } = rollout;
  await insertInstallations(
    tx,
    starts.map(({ installation, retryOf }) => ({ installation, retryOf, requestedBy: createdBy })),
  );
  await writeHistory(
    tx,
    starts.map(({ installation, details }) => ({
      tenantId,
      deviceId: installation.deviceId,
      installationId: installation.id,
      at: now,
      event: 'requested',
      data: { by: `rollout:${id}`, slot: installation.slot, firmwareId: installation.firmwareId, ...details },
    })),
  );
  await mark(
    tx,
    starts.map(({ installation }) => ({ receiver: 'workflow', tenantId, subject: installation.id, isStart: true })),
  );
  await countStarts(tx, rollout, starts.length, now);
}

/** Twice the window in which they count. */
const FORGET_STARTS_MS = 120_000;

async function countStarts(tx: Tx, { tenantId, id }: StoredRollout, started: number, now: number): Promise<void> {
  if (started > 0)
    await tx.query(`INSERT INTO rollout_starts (tenant_id, rollout_id, at, count) VALUES ($1, $2, $3, $4)`, [
      tenantId,
      id,
      iso(now),
      started,
    ]);
  await tx.query(`DELETE FROM rollout_starts WHERE tenant_id = $1 AND rollout_id = $2 AND at < $3`, [
    tenantId,
    id,
    iso(now - FORGET_STARTS_MS),
  ]);
}
