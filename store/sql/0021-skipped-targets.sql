-- What a rollout counts (docs/decisions/0008-what-a-rollout-counts.md).
ALTER TABLE rollout_targets
  DROP CONSTRAINT rollout_targets_state_check,
  ADD CONSTRAINT rollout_targets_state_check CHECK (state IN ('pending', 'queued', 'inFlight', 'installed', 'alreadyInstalled', 'skipped', 'failed', 'rejected', 'canceled', 'timedOut', 'superseded')),
  -- It ended without an installation of its own: refused at admission, or given up before any attempt.
  ADD COLUMN unattempted boolean NOT NULL DEFAULT false;
SET LOCAL ROLE slipway_worker;
UPDATE rollout_targets SET unattempted = true WHERE state IN ('rejected', 'timedOut') AND installation_id IS NULL;
RESET ROLE;

ALTER TABLE rollout_groups
  ADD COLUMN skipped integer NOT NULL DEFAULT 0,
  -- Of `rejected` and `timed_out`: targets that are unattempted.
  ADD COLUMN unattempted_rejected integer NOT NULL DEFAULT 0,
  ADD COLUMN unattempted_timed_out integer NOT NULL DEFAULT 0,
  -- Pending targets that are away, as they were counted last.
  ADD COLUMN away integer NOT NULL DEFAULT 0,
  -- The number of the last admission that the prefix of the sequential test holds: some are passed over.
  ADD COLUMN prefix_to integer NOT NULL DEFAULT 0;
SET LOCAL ROLE slipway_worker;
UPDATE rollout_groups SET prefix_to = prefix_ended WHERE prefix_ended > 0;
UPDATE rollout_groups g SET unattempted_rejected = n.rejected, unattempted_timed_out = n.timed_out
FROM (SELECT tenant_id, rollout_id, group_position, count(*) FILTER (WHERE state = 'rejected') AS rejected, count(*) FILTER (WHERE state = 'timedOut') AS timed_out
      FROM rollout_targets WHERE unattempted AND group_position IS NOT NULL GROUP BY 1, 2, 3) AS n
WHERE (g.tenant_id, g.rollout_id, g.position) = (n.tenant_id, n.rollout_id, n.group_position);
RESET ROLE;

-- Which pending targets may be away.
CREATE INDEX rollout_targets_unreached ON rollout_targets (tenant_id, rollout_id, group_position) WHERE state = 'pending' AND NOT admissible;
