-- Uploads that resume (tus 1.0). Their bytes are pieces in the blob store until the last one comes; what of them counts
-- is here. An upload that is not finished when it expires is removed with its pieces.
CREATE TABLE firmware_uploads (
  tenant_id   text NOT NULL,
  id          uuid NOT NULL,
  firmware_id uuid NOT NULL,
  length      bigint NOT NULL CHECK (length > 0),
  received    bigint NOT NULL DEFAULT 0 CHECK (received BETWEEN 0 AND length),
  pieces      integer NOT NULL DEFAULT 0,
  metadata    text,                                    -- as the client said it
  created_at  timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL,
  finished_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, firmware_id) REFERENCES firmwares ON DELETE CASCADE
);
CREATE INDEX firmware_uploads_expiry ON firmware_uploads (expires_at);
CREATE INDEX firmware_uploads_of_firmware ON firmware_uploads (tenant_id, firmware_id);
CREATE TABLE firmware_upload_pieces (
  tenant_id text NOT NULL,
  upload_id uuid NOT NULL,
  at        bigint NOT NULL,                           -- where in the upload it begins
  size      integer NOT NULL CHECK (size > 0),
  name      uuid NOT NULL,                             -- in the blob store
  PRIMARY KEY (tenant_id, upload_id, at),
  FOREIGN KEY (tenant_id, upload_id) REFERENCES firmware_uploads ON DELETE CASCADE
);
DO $$
DECLARE walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['firmware_uploads', 'firmware_upload_pieces']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY one_tenant ON %I TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
    EXECUTE format('CREATE POLICY all_tenants ON %I TO slipway_worker USING (true) WITH CHECK (true)', walled);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO slipway_api, slipway_worker', walled);
  END LOOP;
END $$;
