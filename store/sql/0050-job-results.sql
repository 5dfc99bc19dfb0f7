-- What only its maker may read of a job: the passwords that an import made, encrypted by the API's key, so that neither
-- the database nor a copy of it shows them. They stand in pieces of some hundred lines, each written with its devices.
ALTER TABLE jobs ADD COLUMN has_result boolean NOT NULL DEFAULT false,
  ADD COLUMN result_deleted_at timestamptz,
  ADD COLUMN origin jsonb;                              -- of the request: {address, credential, requestId}, for the audit
CREATE TABLE job_results (
  tenant_id text NOT NULL,
  job_id    uuid NOT NULL,
  line      integer NOT NULL,                           -- the last one of the piece
  sealed    bytea NOT NULL,
  PRIMARY KEY (tenant_id, job_id, line),
  FOREIGN KEY (tenant_id, job_id) REFERENCES jobs ON DELETE CASCADE
);
-- What is encrypted does not get smaller.
ALTER TABLE job_results ALTER sealed SET STORAGE EXTERNAL;
ALTER TABLE job_results ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_results FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON job_results TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON job_results TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON job_results TO slipway_api, slipway_worker;
