import { DomainError } from '../../domain/errors.js';
import { whyNotDelete } from '../../domain/rollout/actions.js';
import { derivePhase } from '../../domain/rollout/phase.js';
import { whyNot } from '../../domain/rollout/why-not.js';
import { writeHistory } from '../history/history.js';
import { mark, wakeSender } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { pokeRollout } from '../rollouts/moves.js';
import { lockRollout } from './observe.js';
import { noSuchRollout, refuseMoved } from './rollouts.js';

/**
 * A draft, or a rollout that has ended, goes with its groups; of its targets nothing is shown any more, and they are
 * deleted in pages (store/rollouts/leftovers.ts). Its history stays, and so do the installations that it made. Its
 * process is told, and ends.
 * @param expected the versions that the rollout may be at (`If-Match`); absent = any
 * @throws DomainError ROLLOUT_NOT_FOUND, REQUEST_PRECONDITION_FAILED, ROLLOUT_STATE with the sentence that says why
 * not and when it would be
 */
export async function deleteRollout(
  tx: Tx,
  tenantId: string,
  id: string,
  by: string,
  now: number,
  expected?: readonly number[],
): Promise<void> {
  const locked = await lockRollout(tx, tenantId, id);
  if (!locked) throw noSuchRollout(id);
  refuseMoved(locked.rollout, expected);
  const { facts, plan, version } = locked.rollout;
  const { phase } = derivePhase(facts, plan);
  const refused = whyNot('delete', phase) ?? whyNotDelete(facts);
  if (refused !== undefined)
    throw new DomainError('ROLLOUT_STATE', `this rollout cannot be deleted while it is ${phase}: ${refused}`, {
      phase,
    });
  await tx.query('DELETE FROM rollouts WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
  await writeHistory(tx, [
    {
      tenantId,
      rolloutId: id,
      at: now,
      event: 'deleted',
      data: { by: `operator:${by}`, version, name: plan.name, phase },
    },
  ]);
  await mark(tx, [pokeRollout(tenantId, id)]);
  await wakeSender(tx);
}
