import { between, type Between } from '../db/times.js';
import type { RollbackState, TargetState } from '../../domain/rollout/facts.js';
import { totalOf } from '../db/count.js';
import type { ReadEntry } from '../history/history.js';
import type { KeysetRequest, Page } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import type { TargetView } from './view.js';
import { cursorAfter, parseEntryCursor, parseTargetCursor } from '../db/cursors.js';

/** Both must match; absent = all. */
export interface TargetFilter {
  readonly state?: readonly TargetState[];
  readonly group?: string;
}

/** A target with its group, as TARGET_COLUMNS reads it. */
export interface TargetListRow {
  device_id: string;
  group_name: string | null;
  state: TargetState;
  attempt: number;
  installation_id: string | null;
  because: string | null;
  back_state: RollbackState | null;
  back_because: string | null;
  back_installation_id: string | null;
  retry_at: Date | null;
  rank: string;
}

/** What `toTarget` reads. */
export const TARGET_COLUMNS = `t.device_id, g.name AS group_name, t.state, t.attempt, t.installation_id, t.because, t.back_state,
  t.back_because, t.back_installation_id, CASE WHEN t.state = 'pending'
  AND t.ready_at > now() THEN t.ready_at END AS retry_at, t.rank`;
/** Where it stands: targets as `t`, with their groups. */
export const TARGET_FROM = `rollout_targets t LEFT JOIN rollout_groups g ON g.tenant_id = t.tenant_id
  AND g.rollout_id = t.rollout_id AND g.position = t.group_position`;

/** A row of targets as it is shown. */
export function toTarget(row: TargetListRow): TargetView {
  return {
    deviceId: row.device_id,
    group: row.group_name,
    state: row.state,
    attempt: row.attempt,
    installationId: row.installation_id,
    because: row.because,
    back:
      row.back_state === null
        ? null
        : { state: row.back_state, because: row.back_because, installationId: row.back_installation_id },
    retryAt: row.retry_at?.getTime() ?? null,
  };
}

/** The targets in the order in which they are taken. */
export async function listTargets(
  tx: Tx,
  tenantId: string,
  id: string,
  { state, group }: TargetFilter,
  { pageSize, cursor }: KeysetRequest,
): Promise<Page<TargetView>> {
  const values: unknown[] = [tenantId, id];
  const where = ['t.tenant_id = $1', 't.rollout_id = $2'];
  const also = (value: unknown, condition: (parameter: string) => string) => {
    values.push(value);
    where.push(condition(`$${values.length}`));
  };
  if (state) also(state, (list) => `t.state = ANY(${list}::text[])`);
  if (group !== undefined)
    also(
      group,
      (name) =>
        `t.group_position = (SELECT position FROM rollout_groups WHERE tenant_id = $1 AND rollout_id = $2
          AND name = ${name})`,
    );
  const counted = { from: 'rollout_targets t', where: [...where], values: [...values] };
  const after = cursor === undefined ? undefined : parseTargetCursor(cursor);
  if (after !== undefined) also(after, (rank) => `t.rank > ${rank}::uuid`);
  values.push(pageSize + 1);
  const { rows } = await tx.query<TargetListRow>(
    `SELECT ${TARGET_COLUMNS} FROM ${TARGET_FROM}
     WHERE ${where.join(' AND ')} ORDER BY t.rank LIMIT $${values.length}`,
    values,
  );
  return {
    items: rows.slice(0, pageSize).map(toTarget),
    nextCursor: cursorAfter(rows, pageSize, (row) => row.rank),
    total: await totalOf(tx, counted, { read: rows.length, offset: after === undefined ? 0 : undefined, pageSize }),
  };
}

/** An entry of the history of one rollout. */
export interface RolloutEntry extends ReadEntry {
  /** Of the sealed history; null within the second in which it is sealed. */
  readonly number: number | null;
}

/** Whether anything is known of a rollout: of one that was deleted, its history. */
export async function hasRolloutHistory(tx: Tx, tenantId: string, id: string): Promise<boolean> {
  const { rowCount } = await tx.query('SELECT FROM history WHERE tenant_id = $1 AND rollout_id = $2 LIMIT 1', [
    tenantId,
    id,
  ]);
  return rowCount === 1;
}

/**
 * What happened to a rollout, oldest first unless `newestFirst`: commands, and each decision of the planner that did
 * something.
 */
export async function listRolloutEvents(
  tx: Tx,
  tenantId: string,
  id: string,
  { pageSize, cursor, newestFirst, since, until }: KeysetRequest & Between & { readonly newestFirst?: boolean },
): Promise<Page<RolloutEntry>> {
  const values: unknown[] = [tenantId, id];
  const where = ['tenant_id = $1', 'rollout_id = $2', ...between('at', { since, until }, values)];
  const counted = { from: 'history', where: [...where], values: [...values] };
  const after = cursor === undefined ? undefined : parseEntryCursor(cursor);
  if (after !== undefined) {
    values.push(after);
    where.push(`entry ${newestFirst ? '<' : '>'} $${values.length}`);
  }
  values.push(pageSize + 1);
  const { rows } = await tx.query<{
    entry: string;
    number: string | null;
    at: Date;
    event: string;
    data: Record<string, unknown>;
  }>(
    `SELECT entry, number, at, event, data FROM history WHERE ${where.join(' AND ')}
      ORDER BY entry ${newestFirst ? 'DESC' : 'ASC'} LIMIT $${values.length}`,
    values,
  );
  const items = rows.slice(0, pageSize).map((row): RolloutEntry => ({
    number: row.number === null ? null : Number(row.number),
    at: row.at.getTime(),
    event: row.event,
    data: row.data,
  }));
  return {
    items,
    nextCursor: cursorAfter(rows, pageSize, (row) => row.entry),
    total: await totalOf(tx, counted, { read: rows.length, offset: after === undefined ? 0 : undefined, pageSize }),
  };
}
