-- Tenants that an operator of the installation makes, suspends, bounds and removes.
ALTER TABLE tenants
  ADD COLUMN name       text,
  ADD COLUMN state      text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'removing')),
  ADD COLUMN quotas     jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN created_by text NOT NULL DEFAULT 'service';
GRANT UPDATE, DELETE ON tenants TO slipway_worker;
-- The answer that makes a tenant is kept with it, in one transaction, which is that of a service.
GRANT INSERT, UPDATE ON idempotency_keys TO slipway_worker;
