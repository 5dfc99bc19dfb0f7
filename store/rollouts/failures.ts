import type { Failure, FailureCount } from '../../domain/rollout/failures.js';
import type { Tx } from '../db/pool.js';

interface FailureRow {
  name: string;
  /** @narrowed only these are counted */
  state: Failure;
  code: string;
  count: string;
  example: string;
}

/**
 * Targets that failed, by group, outcome and code, the most frequent first. It costs by the targets that failed: a
 * refusal at admission has its code itself, any other that of the newest installation.
 */
export async function readFailures(tx: Tx, tenantId: string, id: string): Promise<FailureCount[]> {
  const { rows } = await tx.query<FailureRow>(
    `SELECT g.name, f.state, f.code, f.count, f.example FROM (
       SELECT t.group_position, t.state, count(*) AS count, min(t.device_id::text) AS example,
         coalesce(t.refusal, i.error->>'code', CASE t.state WHEN 'timedOut' THEN 'TIMED_OUT' ELSE upper(t.state) END)
           AS code
       FROM rollout_targets t LEFT JOIN installations i ON i.tenant_id = t.tenant_id AND i.id = t.installation_id
       WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.state IN ('failed', 'rejected', 'timedOut')
       GROUP BY t.group_position, t.state, code) AS f
     JOIN rollout_groups g ON g.tenant_id = $1 AND g.rollout_id = $2 AND g.position = f.group_position
     ORDER BY f.count DESC, g.position, f.state, f.code`,
    [tenantId, id],
  );
  return rows.map(({ name, state, code, count, example }) => ({
    group: name,
    outcome: state,
    code,
    count: Number(count),
    exampleDeviceId: example,
  }));
}
