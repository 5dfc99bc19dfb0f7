-- Plans to reuse: any part of one, as it was sent. A template is read once, when a rollout is created; what becomes of it later changes no rollout.
CREATE TABLE rollout_templates (
  tenant_id  text NOT NULL REFERENCES tenants,
  id         uuid NOT NULL,
  plan       jsonb NOT NULL,                  -- protocol/http/rollout-template.ts: name, and each member that it holds
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX rollout_templates_newest ON rollout_templates (tenant_id, created_at DESC, id DESC);

ALTER TABLE rollout_templates ENABLE ROW LEVEL SECURITY;
ALTER TABLE rollout_templates FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON rollout_templates TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON rollout_templates TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON rollout_templates TO slipway_api, slipway_worker;

-- No foreign key: where a rollout came from outlives the template.
ALTER TABLE rollouts ADD COLUMN template_id uuid;
ALTER TABLE rollouts ADD COLUMN from_template jsonb NOT NULL DEFAULT '{}'; -- JSON pointer → what the plan took from the template there
