-- Lists of installations by slot and of a rollout, newest first: a page is read from its index, whatever the fleet.
CREATE INDEX installations_by_slot ON installations (tenant_id, slot, requested_at DESC, id DESC);
CREATE INDEX installations_of_rollout ON installations (tenant_id, rollout_id, requested_at DESC, id DESC) WHERE rollout_id IS NOT NULL;
