-- Work over many devices that a request asks for and that goes on without it: imports, and actions by filter. A process
-- of the API claims a job for some seconds at a time; one that dies is followed by another, from `position` on.
CREATE TABLE jobs (
  tenant_id     text NOT NULL REFERENCES tenants,
  id            uuid NOT NULL,
  kind          text NOT NULL CHECK (kind IN ('import', 'bulk')),
  state         text NOT NULL CHECK (state IN ('receiving', 'queued', 'running', 'done', 'failed', 'canceled')),
  spec          jsonb NOT NULL,
  created_by    text NOT NULL,
  created_at    timestamptz NOT NULL,
  started_at    timestamptz,
  ended_at      timestamptz,
  total         integer NOT NULL DEFAULT 0,
  done          integer NOT NULL DEFAULT 0,
  failed        integer NOT NULL DEFAULT 0,
  skipped       integer NOT NULL DEFAULT 0,
  errors        jsonb NOT NULL DEFAULT '[]',           -- the first 100: {line, pointer, detail}
  position      integer NOT NULL DEFAULT 0,            -- lines that are done with
  cancel_asked  boolean NOT NULL DEFAULT false,
  attempts      integer NOT NULL DEFAULT 0,            -- claims since something was done
  claim         uuid,
  claimed_until timestamptz,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX jobs_open ON jobs (created_at) WHERE state IN ('receiving', 'queued', 'running');
CREATE INDEX jobs_newest ON jobs (tenant_id, created_at DESC, id DESC);
-- What a job is about, in its order: devices as JSON, or their ids. Gone with the end of the job.
CREATE TABLE job_lines (
  tenant_id text NOT NULL,
  job_id    uuid NOT NULL,
  line      integer NOT NULL,                          -- counts from 1, as people count lines of a file
  body      text,                                      -- null where the line is none: `fault` says why
  fault     text,
  PRIMARY KEY (tenant_id, job_id, line),
  FOREIGN KEY (tenant_id, job_id) REFERENCES jobs ON DELETE CASCADE
);
DO $$
DECLARE walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['jobs', 'job_lines']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY one_tenant ON %I TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
    EXECUTE format('CREATE POLICY all_tenants ON %I TO slipway_worker USING (true) WITH CHECK (true)', walled);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO slipway_api, slipway_worker', walled);
  END LOOP;
END $$;
