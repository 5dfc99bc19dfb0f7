-- What people ask of each target of a rollout is done in pages, by its process (store/rollouts/paged-works.ts), and so is
-- each part of a sweep.
ALTER TABLE rollouts
  ADD COLUMN works jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN sweep_part text NOT NULL DEFAULT 'join' CHECK (sweep_part IN ('join', 'rejoin', 'leave'));

-- A rollout goes at once, and its targets in pages, later: nothing finds them but by their rollout. Whatever deletes a
-- rollout notes it here, also an earlier version.
-- Older versions go on: what they delete with a rollout by the foreign key is deleted by this note.
CREATE TABLE rollout_leftovers (
  tenant_id  text NOT NULL REFERENCES tenants,
  rollout_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, rollout_id)
);
ALTER TABLE rollout_leftovers ENABLE ROW LEVEL SECURITY;
ALTER TABLE rollout_leftovers FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON rollout_leftovers TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON rollout_leftovers TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON rollout_leftovers TO slipway_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON rollout_leftovers TO slipway_worker;

CREATE FUNCTION note_leftovers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO rollout_leftovers (tenant_id, rollout_id) SELECT OLD.tenant_id, OLD.id
    WHERE EXISTS (SELECT FROM rollout_targets t WHERE t.tenant_id = OLD.tenant_id AND t.rollout_id = OLD.id)
    ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER rollouts_leave_targets AFTER DELETE ON rollouts FOR EACH ROW EXECUTE FUNCTION note_leftovers();
ALTER TABLE rollout_targets DROP CONSTRAINT rollout_targets_tenant_id_rollout_id_fkey;
