-- Who is told, by HTTP, of what happens: each has its place in the sealed history.
CREATE TABLE webhooks (
  tenant_id        text NOT NULL REFERENCES tenants,
  id               uuid NOT NULL,
  url              text NOT NULL,
  events           text[] NOT NULL DEFAULT '{}',      -- names of events; empty = all
  description      text,
  secret           text NOT NULL,                     -- signs each delivery, so that it cannot be kept as a hash; shown once
  position         bigint NOT NULL,                   -- number in the history up to which deliveries were made
  failures         integer NOT NULL DEFAULT 0,        -- in a row
  failing_since    timestamptz,                       -- nothing was delivered since
  quiet_until      timestamptz,                       -- after a failure, nothing is tried before
  disabled_at      timestamptz,
  disabled_because text,
  created_by       text NOT NULL,
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

-- What is to be told, and what became of it. What ended is kept for some days (store/history/webhook-sending.ts).
CREATE TABLE webhook_deliveries (
  tenant_id        text NOT NULL,
  id               uuid NOT NULL,
  webhook_id       uuid NOT NULL,
  number           bigint NOT NULL,                   -- of the history
  event            text NOT NULL,
  state            text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts         integer NOT NULL DEFAULT 0,
  due_at           timestamptz NOT NULL,
  first_attempt_at timestamptz,
  last_attempt_at  timestamptz,
  last_status      integer,
  last_error       text,
  ended_at         timestamptz,
  redelivery_of    uuid,
  created_at       timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (tenant_id, webhook_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant_id, webhook_id, due_at, number) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

DO $$
DECLARE walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['webhooks', 'webhook_deliveries']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY one_tenant ON %I TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
    EXECUTE format('CREATE POLICY all_tenants ON %I TO slipway_worker USING (true) WITH CHECK (true)', walled);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO slipway_api, slipway_worker', walled);
  END LOOP;
END $$;
