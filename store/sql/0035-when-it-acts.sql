-- When something happens to a rollout by time alone, for people; `due_at` is when its process looks again, which may be sooner and for nothing.
ALTER TABLE rollouts ADD COLUMN acts_at timestamptz;
-- Whether an orchestrator answers is said beside what waits for one.
GRANT SELECT ON leases TO slipway_api;
