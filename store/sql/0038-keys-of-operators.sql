-- Keys of people and programs: with a role or with permissions that are named one by one, with an end, a last use, and a successor.
-- Older versions go on: a trigger completes the bootstrap key that one of them writes. They let in keys with roles only, and know no end of a key.
ALTER TABLE api_keys
  ALTER COLUMN role DROP NOT NULL,
  ADD COLUMN permissions  text[],
  ADD COLUMN principal    text,                                   -- who acts with it: stays with a rename, and goes over to the successor of a rotation
  ADD COLUMN is_bootstrap boolean NOT NULL DEFAULT false,
  ADD COLUMN expires_at   timestamptz,
  ADD COLUMN works_until  timestamptz,                            -- of one that was rotated: where the overlap ends
  ADD COLUMN rotated_from uuid,
  ADD COLUMN created_by   text NOT NULL DEFAULT 'service',
  ADD COLUMN last_used_at timestamptz;                            -- to the minute
SET LOCAL ROLE slipway_worker;
UPDATE api_keys SET principal = 'key:' || name;
UPDATE api_keys SET is_bootstrap = true, permissions = '{tenants:read,tenants:write}' WHERE tenant_id = 'default' AND name = 'bootstrap';
RESET ROLE;

-- A version that does not know who acts with a key writes none.
CREATE FUNCTION complete_api_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.principal IS NULL THEN
    NEW.principal := 'key:' || NEW.name;
    IF NEW.tenant_id = 'default' AND NEW.name = 'bootstrap' THEN
      UPDATE api_keys SET is_bootstrap = false, principal = 'key:' || name WHERE is_bootstrap;
      NEW.is_bootstrap := true;
      NEW.permissions := '{tenants:read,tenants:write}';
    END IF;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER complete_api_key BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION complete_api_key();

ALTER TABLE api_keys
  ALTER COLUMN principal SET NOT NULL,
  DROP CONSTRAINT api_keys_tenant_id_name_key,
  ADD CHECK (role IS NOT NULL OR permissions IS NOT NULL);
CREATE UNIQUE INDEX api_keys_by_principal ON api_keys (tenant_id, principal) WHERE rotated_from IS NULL;
CREATE UNIQUE INDEX api_keys_one_bootstrap ON api_keys (is_bootstrap) WHERE is_bootstrap;
CREATE INDEX api_keys_newest ON api_keys (tenant_id, created_at DESC, id DESC);
CREATE INDEX api_keys_of_predecessor ON api_keys (tenant_id, rotated_from) WHERE rotated_from IS NOT NULL;
