import type { TargetState } from '../../domain/rollout/facts.js';
import { oneRow } from '../db/one-row.js';
import type { Tx } from '../db/pool.js';
import { iso } from '../db/times.js';
import { holdDevices } from './hold-devices.js';
import { BEGINNING, lockTargets, TARGETS_PER_PAGE } from './pages.js';
import { addCounters, type CounterChange } from './counters.js';
import type { StoredRollout } from './rows.js';
import type { PagedWork, Retry, Skip } from './works.js';

/**
 * Begins what a person asked for (works.ts), under the lock of the rollout's row. Works are done in the order in which
 * they were asked for.
 * @returns how many targets it is about
 */
export async function beginWork(tx: Tx, rollout: StoredRollout, asked: Retry | Skip, now: number): Promise<number> {
  const work: PagedWork = { ...asked, after: BEGINNING };
  const count = work.do === 'retry' ? await countEnded(tx, rollout, work) : await countAway(tx, rollout, work);
  if (count === 0) return 0;
  if (rollout.works.length > 0) await saveWorks(tx, rollout, [...rollout.works, work]);
  else await doPage(tx, rollout, work, [], now);
  return count;
}

/** The next page of the first work. */
export async function workPage(tx: Tx, rollout: StoredRollout, now: number): Promise<void> {
  const [first, ...later] = rollout.works;
  if (first) await doPage(tx, rollout, first, later, now);
}

async function doPage(
  tx: Tx,
  rollout: StoredRollout,
  work: PagedWork,
  later: readonly PagedWork[],
  now: number,
): Promise<void> {
  const page = work.do === 'retry' ? await retryPage(tx, rollout, work) : await skipPage(tx, rollout, work, now);
  const after = page[TARGETS_PER_PAGE - 1];
  const works = after === undefined ? later : [{ ...work, after }, ...later];
  if (works.length > 0 || rollout.works.length > 0) await saveWorks(tx, rollout, works);
}

async function saveWorks(tx: Tx, { tenantId, id }: StoredRollout, works: readonly PagedWork[]): Promise<void> {
  await tx.query('UPDATE rollouts SET works = $3 WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
    JSON.stringify(works),
  ]);
}

async function countEnded(tx: Tx, { tenantId, id }: StoredRollout, { outcomes, positions }: Retry): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM rollout_targets t WHERE t.tenant_id = $1 AND t.rollout_id = $2
      AND t.state = ANY($3::text[]) AND t.group_position = ANY($4::integer[])
      AND EXISTS (SELECT FROM devices d WHERE d.tenant_id = $1 AND d.id = t.device_id)`,
    [tenantId, id, outcomes, positions],
  );
  return oneRow(rows, 'the targets that ended so').count;
}

/** @returns the devices of the page, in their order */
async function retryPage(tx: Tx, { tenantId, id, plan }: StoredRollout, work: Retry & PagedWork): Promise<string[]> {
  const ended = await tx.query<{ device_id: string }>(
    `SELECT device_id FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2
      AND state = ANY($3::text[]) AND group_position = ANY($4::integer[]) AND device_id > $5
     ORDER BY device_id LIMIT ${TARGETS_PER_PAGE}`,
    [tenantId, id, work.outcomes, work.positions, work.after],
  );
  const devices = ended.rows.map((row) => row.device_id);
  await holdDevices(tx, tenantId, devices);
  const { rows } = await tx.query<{ group_position: number | null; was: TargetState; unattempted: boolean }>(
    `WITH held AS (SELECT device_id, state, unattempted FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2
      AND state = ANY($3::text[]) AND group_position = ANY($4::integer[]) AND device_id = ANY($5::uuid[])
      ORDER BY device_id FOR NO KEY UPDATE)
     UPDATE rollout_targets t
       SET state = 'pending', because = NULL, ended_at = NULL, attempt = 0,
       -- It is ready at once, and behind all that had no try.
       ready_at = CASE WHEN t.installation_id IS NULL THEN '-infinity' ELSE clock_timestamp() END, end_as = NULL,
       unattempted = false,
       admissible = $6 OR device_reachable(t.tenant_id, t.device_id)
     FROM held h WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = h.device_id
       AND EXISTS (SELECT FROM devices d WHERE d.tenant_id = $1 AND d.id = t.device_id)
     RETURNING t.group_position, h.state AS was, h.unattempted`,
    [tenantId, id, work.outcomes, work.positions, devices, plan.pace.offline === 'offer'],
  );
  await addCounters(
    tx,
    rows.map((row): CounterChange => ({
      tenantId,
      rolloutId: id,
      position: row.group_position,
      from: row.was,
      to: 'pending',
      ...(row.unattempted ? { unattempted: 'from' } : {}),
    })),
  );
  // A sequential test sees what ended, in the order of admission: of groups whose targets are open again it sees it
  // anew.
  await tx.query(
    `UPDATE rollout_groups SET prefix_ended = 0, prefix_failed = 0, prefix_to = 0
      WHERE tenant_id = $1 AND rollout_id = $2
      AND position = ANY($3::integer[])`,
    [tenantId, id, [...new Set(rows.map((row) => row.group_position))]],
  );
  return devices;
}

async function countAway(tx: Tx, { tenantId, id }: StoredRollout, { position, seenBefore }: Skip): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM rollout_targets t JOIN devices d ON d.tenant_id = t.tenant_id AND d.id = t.device_id
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.group_position = $3
       AND t.state = 'pending' AND NOT t.admissible AND (d.last_seen_at IS NULL OR d.last_seen_at <= $4)`,
    [tenantId, id, position, iso(seenBefore)],
  );
  return oneRow(rows, 'the targets that are away').count;
}

/** @returns the devices of the page, in their order */
async function skipPage(
  tx: Tx,
  { tenantId, id }: StoredRollout,
  work: Skip & PagedWork,
  now: number,
): Promise<string[]> {
  const { rows: page } = await tx.query<{ device_id: string }>(
    `SELECT t.device_id FROM rollout_targets t JOIN devices d ON d.tenant_id = t.tenant_id AND d.id = t.device_id
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.group_position = $3
       AND t.state = 'pending' AND NOT t.admissible AND t.device_id > $5
       AND (d.last_seen_at IS NULL OR d.last_seen_at <= $4) ORDER BY t.device_id LIMIT ${TARGETS_PER_PAGE}`,
    [tenantId, id, work.position, iso(work.seenBefore), work.after],
  );
  const devices = page.map((row) => row.device_id);
  await lockTargets(tx, { tenantId, id }, devices);
  // One that came back while its lock was waited for is not away.
  const { rows } = await tx.query(
    `UPDATE rollout_targets t SET state = 'skipped', because = $5, ended_at = $6
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.group_position = $3 AND t.device_id = ANY($4::uuid[])
       AND t.state = 'pending' AND NOT t.admissible RETURNING t.device_id`,
    [tenantId, id, work.position, devices, work.because, iso(now)],
  );
  await addCounters(
    tx,
    rows.map((): CounterChange => ({
      tenantId,
      rolloutId: id,
      position: work.position,
      from: 'pending',
      to: 'skipped',
    })),
  );
  await tx.query(
    `UPDATE rollout_groups SET away = greatest(0, away - $4)
      WHERE tenant_id = $1 AND rollout_id = $2 AND position = $3`,
    [tenantId, id, work.position, rows.length],
  );
  return devices;
}
