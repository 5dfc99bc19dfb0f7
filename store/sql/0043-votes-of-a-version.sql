-- What loosened the plan of a rollout since it was approved last, and who did: with four eyes, these cannot approve it.
ALTER TABLE rollouts ADD COLUMN loosened jsonb;
