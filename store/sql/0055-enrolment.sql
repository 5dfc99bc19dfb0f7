-- Devices that come by themselves: a token for a batch, and one row for each serial number that asked or was announced.
-- Older versions go on: the tables are new, and the check of credentials becomes wider.
CREATE TABLE enrolment_tokens (
  tenant_id      text NOT NULL REFERENCES tenants,
  id             uuid NOT NULL,
  name           text NOT NULL,
  device_type_id uuid NOT NULL,
  uses           integer NOT NULL CHECK (uses > 0),
  used           integer NOT NULL DEFAULT 0 CHECK (used <= uses),
  approval       text NOT NULL CHECK (approval IN ('auto', 'manual')),
  secret_hash    bytea NOT NULL UNIQUE,
  expires_at     timestamptz NOT NULL,
  created_at     timestamptz NOT NULL,
  created_by     text NOT NULL,
  revoked_at     timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, device_type_id) REFERENCES device_types ON DELETE CASCADE
);
CREATE TABLE enrolments (
  tenant_id       text NOT NULL REFERENCES tenants,
  id              uuid NOT NULL,
  serial          text NOT NULL,
  aliases         text[] NOT NULL DEFAULT '{}',
  device_type_id  uuid NOT NULL,
  -- null where an operator announced it, and any key may come.
  public_key_hash bytea,
  state           text NOT NULL CHECK (state IN ('preauthorised', 'pending', 'approved', 'rejected', 'issued')),
  token_id        uuid,
  device_id       uuid,
  certificate_id  uuid,
  address         text,
  created_at      timestamptz NOT NULL,
  created_by      text NOT NULL,
  decided_at      timestamptz,
  decided_by      text,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, serial),
  FOREIGN KEY (tenant_id, device_type_id) REFERENCES device_types ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, device_id) REFERENCES devices ON DELETE CASCADE
);
CREATE INDEX enrolments_newest ON enrolments (tenant_id, created_at DESC, id DESC);
CREATE INDEX enrolments_pending ON enrolments (tenant_id, created_at) WHERE state = 'pending';
CREATE INDEX enrolments_of_device ON enrolments (tenant_id, device_id);
CREATE INDEX enrolments_of_type ON enrolments (tenant_id, device_type_id);
CREATE INDEX enrolment_tokens_of_type ON enrolment_tokens (tenant_id, device_type_id);
CREATE INDEX enrolment_tokens_newest ON enrolment_tokens (tenant_id, created_at DESC, id DESC);
-- A certificate that the installation issued lets its device in: it has a row among the credentials, with its own id and
-- its fingerprint, which follows it. One that was only registered has none.
ALTER TABLE device_credentials DROP CONSTRAINT device_credentials_type_check;
ALTER TABLE device_credentials ADD CONSTRAINT device_credentials_type_check
  CHECK (type IN ('password', 'token', 'hawkbitToken', 'hawkbitGateway', 'certificate'));
CREATE FUNCTION credential_follows_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM device_credentials WHERE tenant_id = OLD.tenant_id AND id = OLD.id AND type = 'certificate';
  ELSE
    UPDATE device_credentials SET revoked_at = CASE NEW.status WHEN 'valid' THEN NULL ELSE now() END
     WHERE tenant_id = NEW.tenant_id AND id = NEW.id AND type = 'certificate';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER credential_follows AFTER DELETE OR UPDATE OF status ON device_certificates
  FOR EACH ROW EXECUTE FUNCTION credential_follows_certificate();
CREATE INDEX device_certificates_by_fingerprint ON device_certificates (fingerprint);
DO $$
DECLARE walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['enrolment_tokens', 'enrolments']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY one_tenant ON %I TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
    EXECUTE format('CREATE POLICY all_tenants ON %I TO slipway_worker USING (true) WITH CHECK (true)', walled);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO slipway_api, slipway_worker', walled);
  END LOOP;
END $$;
