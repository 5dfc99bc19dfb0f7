import { oneRow } from '../db/one-row.js';
import { databaseNow } from '../db/clock.js';
import { groupAt } from '../../domain/rollout/plan.js';
import { awayOfGate, openOf, sumOf, type GroupFacts, type RolloutFacts } from '../../domain/rollout/facts.js';
import { RATE_WINDOW_MS } from '../../domain/rollout/pace.js';
import { stopScope } from '../../domain/rollout/deadlines.js';
import type { Tx } from '../db/pool.js';
import { countToRollBack, observeRollback } from './admit-rollback.js';
import { positionsOf } from '../rollouts/positions.js';
import { ROLLOUT_COLUMNS, toStored, type GroupRow, type RolloutRow, type StoredRollout } from '../rollouts/rows.js';

/**
 * Installations admitted in one transaction: each locks its device and writes five rows, so that 200 take about 50 ms
 * and no writer waits long for one of those locks.
 */
export const ADMITTED_AT_ONCE = 200;
/** Ended targets that the sequential test's prefix takes in per look; what is left comes with the next. */
const PREFIX_PAGE = 5_000;
/** Back-offs that are counted, for a sentence: counting as many in their index takes about a millisecond. */
const RETRIES_COUNTED = 1_000;

/**
 * Locks a rollout: one planner and one command at a time, each with the newest facts. Ends of installations do not wait
 * for this lock, they only ever make room (docs/decisions/0004-rollouts.md). @returns undefined where there is none.
 */
export async function lockRollout(
  tx: Tx,
  tenantId: string,
  id: string,
): Promise<{ rollout: StoredRollout; now: number } | undefined> {
  const { rows } = await tx.query<RolloutRow>(
    `SELECT ${ROLLOUT_COLUMNS} FROM rollouts WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE`,
    [tenantId, id],
  );
  if (!rows[0]) return undefined;
  // The clock is read once the lock is held, and it is the database's: starts of one rollout are timed by one clock, in
  // order.
  const groups = await tx.query<GroupRow & { now: string }>(
    `SELECT *, floor(extract(epoch FROM clock_timestamp()) * 1000) AS now FROM rollout_groups WHERE tenant_id = $1
      AND rollout_id = $2 ORDER BY position`,
    [tenantId, id],
  );
  return { rollout: toStored(rows[0], groups.rows), now: Number(groups.rows[0]?.now ?? databaseNow()) };
}

/** What the planner needs beyond the rows. Each query is bounded: none of them grows with the fleet. */
export async function observe(tx: Tx, rollout: StoredRollout, now: number): Promise<StoredRollout> {
  const { facts, plan } = rollout;
  if (!facts.materialised || facts.finishedAt !== null || facts.closedAt !== null) return rollout;
  if (facts.rollingBack) return observeRollbackOf(tx, rollout, now);
  const prefixed = await advancePrefixes(tx, rollout);
  const [toStop, starts] = [await countToStop(tx, rollout, now), await countStarts(tx, rollout, now)];
  const admitting = facts.startedAt !== null && facts.pauses.length === 0 && facts.aborted === null;
  const room = Math.min(ADMITTED_AT_ONCE, Math.max(0, plan.pace.maxInFlight - sumOf(facts.groups).inFlight));
  const wantPlace = admitting ? await countWantPlace(tx, rollout, room) : 0;
  const groups: GroupFacts[] = [];
  for (const [position, group] of prefixed.entries()) {
    const waits = admitting && group.openedAt !== null && group.counters.pending > 0;
    const pending = waits ? await observePending(tx, rollout, position, room, now) : {};
    groups.push({ ...group, ...pending, ...(await observeAway(tx, rollout, position, now)) });
  }
  return { ...rollout, facts: { ...facts, groups, toStop, starts, wantPlace } };
}

async function observeRollbackOf(tx: Tx, rollout: StoredRollout, now: number): Promise<StoredRollout> {
  const { facts, plan } = rollout;
  const [toStop, starts, toRollBack] = [
    await countToStop(tx, rollout, now),
    await countStarts(tx, rollout, now),
    await countToRollBack(tx, rollout),
  ];
  const inFlight = sumOf(facts.groups).inFlight + facts.groups.reduce((sum, group) => sum + group.back.inFlight, 0);
  const room = Math.min(ADMITTED_AT_ONCE, Math.max(0, plan.pace.maxInFlight - inFlight));
  const wantPlace = await countWantPlace(tx, rollout, room);
  const groups: GroupFacts[] = [];
  for (const [position, group] of facts.groups.entries()) {
    groups.push(
      group.back.pending > 0
        ? { ...group, back: { ...group.back, ...(await observeRollback(tx, rollout, position, room, now)) } }
        : group,
    );
  }
  return { ...rollout, facts: { ...facts, groups, toStop, starts, toRollBack, wantPlace } };
}

async function countStarts(
  tx: Tx,
  { tenantId, id, facts }: StoredRollout,
  now: number,
): Promise<RolloutFacts['starts']> {
  if (facts.startedAt === null) return facts.starts;
  const { rows } = await tx.query<{ count: string; oldest: Date | null }>(
    `SELECT coalesce(sum(count), 0) AS count, min(at) AS oldest FROM rollout_starts WHERE tenant_id = $1
      AND rollout_id = $2 AND at >= $3 AND at <= $4`,
    // Starts from the future were written while PostgreSQL's clock was ahead: they would hold the pace until then.
    [tenantId, id, new Date(now - RATE_WINDOW_MS), new Date(now + RATE_WINDOW_MS)],
  );
  const { count, oldest } = oneRow(rows, 'the starts of the last minute');
  return { lastMinute: Number(count), oldestLeavesAt: oldest === null ? null : oldest.getTime() + RATE_WINDOW_MS + 1 };
}

async function countToStop(
  tx: Tx,
  { tenantId, id, facts, plan }: StoredRollout,
  now: number,
): Promise<RolloutFacts['toStop']> {
  const scope = stopScope(facts, plan, now);
  if (scope.length === 0 || openOf(sumOf(facts.groups)) === 0) return facts.toStop;
  const { rows } = await tx.query<{ begun: boolean; count: string }>(
    `SELECT i.started_at IS NOT NULL AS begun, count(*) AS count FROM rollout_targets t
      JOIN installations i ON i.tenant_id = t.tenant_id AND i.id = t.installation_id
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.state IN ('queued', 'inFlight') AND t.end_as IS NULL
       AND i.ended_at IS NULL AND ($3::integer[] IS NULL OR t.group_position = ANY($3)) GROUP BY 1`,
    [tenantId, id, positionsOf(facts, scope === 'all' ? null : scope)],
  );
  const of = (begun: boolean) => Number(rows.find((row) => row.begun === begun)?.count ?? 0);
  return { begun: of(true), notBegun: of(false) };
}

/** Queued installations of it, also on a way back, whose turn has come: counted up to `room`. */
async function countWantPlace(tx: Tx, { tenantId, id }: StoredRollout, room: number): Promise<number> {
  if (room === 0) return 0;
  const { rows } = await tx.query(
    `SELECT FROM installations WHERE tenant_id = $1 AND rollout_id = $2 AND place = 'wanted' AND ended_at IS NULL
      LIMIT $3`,
    [tenantId, id, room],
  );
  return rows.length;
}

async function observePending(
  tx: Tx,
  { tenantId, id }: StoredRollout,
  position: number,
  room: number,
  now: number,
): Promise<Pick<GroupFacts, 'ready' | 'fresh' | 'nextRetryAt' | 'retrying'>> {
  const { rows } = await tx.query<{ ready: string; fresh: string; retry: Date | null; retrying: string }>(
    `SELECT (SELECT count(*) FROM (SELECT FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2
      AND group_position = $3 AND state = 'pending' AND admissible AND ready_at <= $4 LIMIT $5) AS r) AS ready,
       (SELECT count(*) FROM (SELECT FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2
         AND group_position = $3 AND state = 'pending' AND admissible AND ready_at = '-infinity' LIMIT $5) AS f) AS fresh,
       (SELECT min(ready_at) FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND group_position = $3
         AND state = 'pending' AND admissible AND ready_at > $4 AND ready_at > '-infinity') AS retry,
       (SELECT count(*) FROM (SELECT FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2
         AND group_position = $3 AND state = 'pending' AND admissible AND ready_at > $4
         LIMIT ${RETRIES_COUNTED + 1}) AS b) AS retrying`,
    [tenantId, id, position, new Date(now), room],
  );
  const { ready, fresh, retry, retrying } = oneRow(rows, 'the targets that could start now');
  return {
    ready: Number(ready),
    fresh: Number(fresh),
    nextRetryAt: retry?.getTime() ?? null,
    retrying: Number(retrying) > RETRIES_COUNTED ? null : Number(retrying),
  };
}

/**
 * Pending targets that are away, and when the next one will be. It costs by the pending targets of one group, and so it
 * is asked only where nothing of an open group moves: before that the number decides nothing. The number is kept, for
 * people read the gate between two ticks.
 * Once the gate was satisfied without those that are away, one that returns takes nothing back: while the group soaks
 * or waits for approvals, it may end like the others, and is not waited for.
 */
async function observeAway(
  tx: Tx,
  { tenantId, id, plan, facts }: StoredRollout,
  position: number,
  now: number,
): Promise<Pick<GroupFacts, 'away' | 'awayAt'>> {
  const group = groupAt(facts.groups, position);
  const { counters: c, openedAt, passedAt, failedAt, away: known } = group;
  if (openedAt === null || passedAt !== null || failedAt !== null) return { away: known, awayAt: null };
  const { awayAfter } = plan.pace;
  const counted =
    c.pending === 0 || openOf(c) > 0
      ? { away: 0, awayAt: null }
      : now < openedAt + awayAfter
        ? { away: 0, awayAt: openedAt + awayAfter }
        : await countAway(tx, tenantId, id, position, now - awayAfter, awayAfter);
  const away = awayOfGate(group, counted.away);
  if (away !== known)
    await tx.query(`UPDATE rollout_groups SET away = $4 WHERE tenant_id = $1 AND rollout_id = $2 AND position = $3`, [
      tenantId,
      id,
      position,
      away,
    ]);
  return { ...counted, away };
}

async function countAway(
  tx: Tx,
  tenantId: string,
  id: string,
  position: number,
  seenBefore: number,
  awayAfter: number,
): Promise<Pick<GroupFacts, 'away' | 'awayAt'>> {
  const { rows } = await tx.query<{ away: string; next: Date | null }>(
    `SELECT count(*) FILTER (WHERE d.last_seen_at IS NULL OR d.last_seen_at <= $4) AS away,
       min(d.last_seen_at) FILTER (WHERE d.last_seen_at > $4) AS next
     FROM rollout_targets t JOIN devices d ON d.tenant_id = t.tenant_id AND d.id = t.device_id
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.group_position = $3
       AND t.state = 'pending' AND NOT t.admissible`,
    [tenantId, id, position, new Date(seenBefore)],
  );
  const { away, next } = oneRow(rows, 'the pending targets that are away');
  return { away: Number(away), awayAt: next === null ? null : next.getTime() + awayAfter };
}

/**
 * Successes end early and hangs end at deadlines: the test sees the longest run, in the order of admission, that has
 * ended without a gap.
 */
async function advancePrefixes(tx: Tx, { tenantId, id, facts, plan }: StoredRollout): Promise<GroupFacts[]> {
  const groups: GroupFacts[] = [];
  for (const [position, group] of facts.groups.entries()) {
    const looks =
      groupAt(plan.groups, position).gate.confidence !== null && group.openedAt !== null && group.passedAt === null;
    groups.push(looks ? { ...group, prefix: await advancePrefix(tx, tenantId, id, position, group.prefix) } : group);
  }
  return groups;
}

async function advancePrefix(
  tx: Tx,
  tenantId: string,
  id: string,
  position: number,
  known: GroupFacts['prefix'],
): Promise<GroupFacts['prefix']> {
  const { rows } = await tx.query<{ state: string; ended: boolean; admission: number | null }>(
    `SELECT state, ended_at IS NOT NULL AS ended, admission FROM rollout_targets
      WHERE tenant_id = $1 AND rollout_id = $2
      AND group_position = $3 AND admission > $4 ORDER BY admission LIMIT ${PREFIX_PAGE}`,
    [tenantId, id, position, known.to],
  );
  const open = rows.findIndex((row) => !row.ended);
  const run = open < 0 ? rows : rows.slice(0, open);
  if (run.length === 0) return known;
  const counted = run.filter((row) => row.state !== 'skipped');
  const bad = counted.filter((row) => row.state !== 'installed' && row.state !== 'alreadyInstalled').length;
  const prefix = {
    ended: known.ended + counted.length,
    failed: known.failed + bad,
    to: run.at(-1)?.admission ?? known.to,
  };
  await tx.query(
    `UPDATE rollout_groups SET prefix_ended = $4, prefix_failed = $5, prefix_to = $6
      WHERE tenant_id = $1 AND rollout_id = $2
      AND position = $3`,
    [tenantId, id, position, prefix.ended, prefix.failed, prefix.to],
  );
  return prefix;
}
