import { effectOf, resourceOf, type Action, type Effect } from '../../domain/audit/actions.js';
import { writeActs } from '../audit/entries.js';
import { readSubject } from '../audit/subjects.js';
import type { Tx } from '../db/pool.js';
import type { ClaimedJob } from './claims.js';

/** What became of one resource. */
export interface Done {
  readonly action: Action;
  readonly id: string;
  readonly effect: Effect;
}

/**
 * Writes what a job did to single resources into the audit, in the transaction that did it: by the maker of the job,
 * from the request that made it, and with the id of the job. What changed nothing has no entry.
 * @param at epoch milliseconds
 */
export async function recordDone(
  tx: Tx,
  { tenantId, id: job, createdBy, origin }: ClaimedJob,
  done: readonly Done[],
  at: number,
): Promise<void> {
  const actor = { id: createdBy, ...origin };
  const acts = done
    .filter(({ action, effect }) => !action.startsWith('device.') || effect.before || effect.after)
    .map((one) => ({ ...one, actor, asked: { job } }));
  await writeActs(tx, tenantId, acts, at);
}

/** Does something to one resource, and writes it into the audit as it was before and is afterwards. */
export async function recordedFor(
  tx: Tx,
  job: ClaimedJob,
  { action, id }: Pick<Done, 'action' | 'id'>,
  at: number,
  work: () => Promise<unknown>,
): Promise<void> {
  const resource = resourceOf(action);
  const before = await readSubject(tx, job.tenantId, resource, id);
  await work();
  const after = await readSubject(tx, job.tenantId, resource, id);
  await recordDone(tx, job, [{ action, id, effect: effectOf(before, after) }], at);
}
