-- Whether a target holds the content already is judged when its group opens, page by page in the order of rank: up to
-- which rank that is done; null = it is not under way.
ALTER TABLE rollout_groups ADD COLUMN held_to uuid;
