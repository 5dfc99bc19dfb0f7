-- The first answer to a POST with an Idempotency-Key, written in the transaction of its effect: either both are there or neither,
-- whatever crashes. Kept for a day, without secrets (store/db/idempotency.ts).
CREATE TABLE idempotency_keys (
  tenant_id   text NOT NULL REFERENCES tenants,
  key         text NOT NULL,
  fingerprint bytea NOT NULL,                         -- SHA-256 of the operation, its path and its body
  status      integer NOT NULL,
  body        text NOT NULL,                          -- JSON as it was sent: jsonb would change the order of its members
  created_at  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON idempotency_keys TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON idempotency_keys TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO slipway_api;
GRANT SELECT, DELETE ON idempotency_keys TO slipway_worker;

-- Figures that one process counts and another shows: the bridge adds what it took in, /metrics of any API prints it. Of all tenants.
CREATE TABLE counters (
  name   text NOT NULL,
  reason text NOT NULL DEFAULT '',
  value  bigint NOT NULL,
  PRIMARY KEY (name, reason)
);
GRANT SELECT, INSERT, UPDATE ON counters TO slipway_worker;
