-- When a rollout will have ended, as its coordinator told last, and what one of its devices takes by what was known when it was created.
ALTER TABLE rollouts ADD COLUMN device_ms double precision, ADD COLUMN eta timestamptz;
