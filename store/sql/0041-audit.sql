-- What people did stands in the history as the event "audit"; these find it by who, what and to what.
CREATE INDEX history_audit_by_actor ON history (tenant_id, (data->>'actor'), number) WHERE event = 'audit' AND number IS NOT NULL;
CREATE INDEX history_audit_by_action ON history (tenant_id, (data->>'action'), number) WHERE event = 'audit' AND number IS NOT NULL;
CREATE INDEX history_audit_by_resource ON history (tenant_id, (data->'resource'->>'id'), number) WHERE event = 'audit' AND number IS NOT NULL;

-- The tree over each tenant's sealed history (RFC 6962), 256 hashes a row: level 0 has a leaf for each entry. A row that
-- is whole has its root; only the last one of level 0 grows. It stays when entries go.
CREATE TABLE history_tiles (
  tenant_id text NOT NULL REFERENCES tenants,
  level     smallint NOT NULL CHECK (level >= 0),
  index     integer NOT NULL CHECK (index >= 0),
  hashes    bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  root      bytea CHECK (length(root) = 32),
  PRIMARY KEY (tenant_id, level, index)
);
-- Hashes do not get smaller.
ALTER TABLE history_tiles ALTER hashes SET STORAGE EXTERNAL;
ALTER TABLE history_tiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE history_tiles FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON history_tiles TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON history_tiles TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT ON history_tiles TO slipway_api;
GRANT SELECT, INSERT, UPDATE ON history_tiles TO slipway_worker;

-- Under which name the checkpoints of this installation are signed: one row.
CREATE TABLE audit_log (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  id  uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO audit_log DEFAULT VALUES;
GRANT SELECT ON audit_log TO slipway_api, slipway_worker;
-- The public keys that sign checkpoints, Ed25519. The private one is a file and never here.
CREATE TABLE audit_keys (
  public_key bytea PRIMARY KEY CHECK (length(public_key) = 32),
  since      timestamptz NOT NULL DEFAULT now(),
  until      timestamptz
);
CREATE UNIQUE INDEX audit_keys_in_use ON audit_keys ((true)) WHERE until IS NULL;
GRANT SELECT ON audit_keys TO slipway_api;
GRANT SELECT, INSERT, UPDATE ON audit_keys TO slipway_worker;
-- How each tree stood when the key was changed, signed by the old key and the new one.
CREATE TABLE audit_rotations (
  tenant_id  text NOT NULL REFERENCES tenants,
  rotated_at timestamptz NOT NULL DEFAULT now(),
  note       text NOT NULL,
  PRIMARY KEY (tenant_id, rotated_at)
);
ALTER TABLE audit_rotations ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_rotations FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON audit_rotations TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON audit_rotations TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT ON audit_rotations TO slipway_api;
GRANT SELECT, INSERT, DELETE ON audit_rotations TO slipway_worker;
