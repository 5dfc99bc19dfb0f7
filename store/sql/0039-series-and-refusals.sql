-- What a rollout did in each minute in which it did something, by group: written with the counters of the group, under
-- the lock of its row.
CREATE TABLE rollout_series (
  tenant_id text NOT NULL,
  rollout_id uuid NOT NULL,
  position smallint NOT NULL,
  at timestamptz NOT NULL,
  started integer NOT NULL DEFAULT 0,
  ended integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, rollout_id, position, at),
  FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE rollout_series ENABLE ROW LEVEL SECURITY;
ALTER TABLE rollout_series FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON rollout_series TO slipway_api USING (tenant_id = current_tenant());
CREATE POLICY all_tenants ON rollout_series TO slipway_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON rollout_series TO slipway_api, slipway_worker;

-- Of rollouts that are there: what their targets and installations still tell. It locks none of their rows; what a
-- process of the version before does afterwards is not in it.
SET LOCAL ROLE slipway_worker;
INSERT INTO rollout_series (tenant_id, rollout_id, position, at, started, ended, failed)
SELECT tenant_id, rollout_id, position, date_trunc('minute', at), sum(started), sum(ended), sum(failed) FROM (
  SELECT t.tenant_id, t.rollout_id, t.group_position AS position, t.ended_at AS at, 0 AS started, 1 AS ended,
    (t.state IN ('failed', 'rejected', 'timedOut'))::integer AS failed
  FROM rollout_targets t WHERE t.ended_at IS NOT NULL AND t.state <> 'skipped' AND t.group_position IS NOT NULL
  UNION ALL
  SELECT t.tenant_id, t.rollout_id, t.group_position, i.requested_at, 1, 0, 0
  FROM rollout_targets t JOIN installations i ON i.tenant_id = t.tenant_id AND i.rollout_id = t.rollout_id
    AND i.device_id = t.device_id
  WHERE t.group_position IS NOT NULL
    AND i.firmware_id IN (SELECT (s->>'firmwareId')::uuid FROM rollouts r, jsonb_array_elements(r.plan->'steps') AS s
      WHERE r.tenant_id = t.tenant_id AND r.id = t.rollout_id)) AS told
GROUP BY 1, 2, 3, 4;
RESET ROLE;

-- Why a target was refused at its admission, for those that have no installation that says it. Each admission writes it
-- anew.
ALTER TABLE rollout_targets ADD COLUMN refusal text;
