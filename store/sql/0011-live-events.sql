-- What a reader of one rollout missed is found by its number, without a walk over everything that the tenant's devices reported meanwhile.
CREATE INDEX history_of_rollout_by_number ON history (tenant_id, rollout_id, number) WHERE rollout_id IS NOT NULL;
