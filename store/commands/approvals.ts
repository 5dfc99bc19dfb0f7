import { awaitedApprovals, type AwaitedApproval } from '../../domain/rollout/awaited.js';
import type { Phase } from '../../domain/rollout/phase.js';
import type { Tx } from '../db/pool.js';
import type { RolloutView } from '../rollouts/view.js';
import { readRollouts } from './rollouts.js';

/** An approval that is waited for, and its rollout, without the devices that it names. */
export interface Awaited {
  readonly approval: AwaitedApproval;
  readonly rollout: RolloutView;
}

/** The phases in which a rollout may wait for votes: paused, where they were voided while it ran. */
const MAY_WAIT: readonly Phase[] = ['awaiting_approval', 'paused'];

/** What waits for votes, the longest first. It reads all that may wait: these are few of the rollouts that are open. */
export async function listAwaited(tx: Tx, tenantId: string): Promise<Awaited[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM rollouts WHERE tenant_id = $1 AND phase = ANY($2::text[])`,
    [tenantId, MAY_WAIT],
  );
  if (rows.length === 0) return [];
  const rollouts = await readRollouts(
    tx,
    tenantId,
    rows.map(({ id }) => id),
  );
  return rollouts
    .flatMap((rollout) => awaitedApprovals(rollout.facts, rollout.plan).map((approval) => ({ approval, rollout })))
    .sort(
      (a, b) =>
        a.approval.since - b.approval.since ||
        a.rollout.id.localeCompare(b.rollout.id) ||
        (a.approval.group ?? -1) - (b.approval.group ?? -1),
    );
}
