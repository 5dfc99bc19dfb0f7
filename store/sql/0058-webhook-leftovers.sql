-- A webhook goes at once, and its deliveries in pages, later: nothing finds them but by their webhook. Whatever deletes a
-- webhook notes it here, also an earlier version.
-- Older versions go on: what they delete with a webhook by the foreign key is deleted by this note.
CREATE TABLE webhook_leftovers (
  tenant_id  text NOT NULL REFERENCES tenants,
  webhook_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, webhook_id)
);
ALTER TABLE webhook_leftovers ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_leftovers FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON webhook_leftovers TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON webhook_leftovers TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON webhook_leftovers TO slipway_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_leftovers TO slipway_worker;

CREATE FUNCTION note_webhook_leftovers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO webhook_leftovers (tenant_id, webhook_id) SELECT OLD.tenant_id, OLD.id
    WHERE EXISTS (SELECT FROM webhook_deliveries d WHERE d.tenant_id = OLD.tenant_id AND d.webhook_id = OLD.id)
    ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER webhooks_leave_deliveries AFTER DELETE ON webhooks FOR EACH ROW EXECUTE FUNCTION note_webhook_leftovers();
ALTER TABLE webhook_deliveries DROP CONSTRAINT webhook_deliveries_tenant_id_webhook_id_fkey;
