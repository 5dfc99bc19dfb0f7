-- What is queued behind another installation of its device takes no place under the cap of its rollout.
ALTER TABLE installations
  ADD COLUMN place text NOT NULL DEFAULT 'has' CHECK (place IN ('has', 'none', 'wanted'));
SET LOCAL ROLE slipway_worker;
UPDATE installations SET place = 'none' WHERE rollout_id IS NOT NULL AND state = 'queued' AND NOT executing AND ended_at IS NULL;
RESET ROLE;
CREATE INDEX installations_want_place ON installations (tenant_id, rollout_id, state_since) WHERE place = 'wanted' AND ended_at IS NULL;

ALTER TABLE rollout_groups
  ADD COLUMN back_queued integer NOT NULL DEFAULT 0,
  -- When one of its targets moved last: a rollout in which nothing moves ends.
  ADD COLUMN moved_at timestamptz;
SET LOCAL ROLE slipway_worker;
UPDATE rollout_groups g SET moved_at = r.updated_at FROM rollouts r WHERE r.tenant_id = g.tenant_id AND r.id = g.rollout_id AND r.started_at IS NOT NULL;
RESET ROLE;

ALTER TABLE rollout_targets
  DROP CONSTRAINT rollout_targets_back_state_check,
  ADD CONSTRAINT rollout_targets_back_state_check CHECK (back_state IN ('pending', 'queued', 'inFlight', 'done', 'failed'));
-- Only what had no try is ready since ever: a retry goes behind all of these.
SET LOCAL ROLE slipway_worker;
UPDATE rollout_targets SET ready_at = now() WHERE state = 'pending' AND installation_id IS NOT NULL AND ready_at = '-infinity';
UPDATE rollout_targets SET back_ready_at = now() WHERE back_state = 'pending' AND back_installation_id IS NOT NULL AND back_ready_at = '-infinity';
RESET ROLE;
CREATE INDEX rollout_targets_back_queued ON rollout_targets (tenant_id, rollout_id, device_id) WHERE back_state = 'queued';

-- What is queued behind others on the way back: 0022 and before counted it as in flight.
SET LOCAL ROLE slipway_worker;
WITH moved AS (
  UPDATE rollout_targets t SET back_state = 'queued' FROM installations i
  WHERE t.back_state = 'inFlight' AND i.tenant_id = t.tenant_id AND i.id = t.back_installation_id AND i.place = 'none'
  RETURNING t.tenant_id, t.rollout_id, t.group_position)
UPDATE rollout_groups g SET back_queued = n.count, back_in_flight = g.back_in_flight - n.count
FROM (SELECT tenant_id, rollout_id, group_position, count(*)::integer AS count FROM moved GROUP BY 1, 2, 3) AS n
WHERE (g.tenant_id, g.rollout_id, g.position) = (n.tenant_id, n.rollout_id, n.group_position);
RESET ROLE;
