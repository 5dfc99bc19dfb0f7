-- Every fact of Slipway (docs/architecture.md). Each row belongs to one tenant; row-level security is the second wall behind
-- the tenant that every statement names: the API runs as slipway_api, bound to one tenant per transaction, and the services
-- that serve all tenants run as slipway_worker. Foreign keys are composite, so that no row can point into another tenant.

-- Roles belong to the cluster, not to the database: several databases may be migrated at the same moment, and a superuser may
-- have made them for a user who may not make any (docs/operations.md).
DO $$
DECLARE wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['slipway_api', 'slipway_worker'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;
DO $$
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    OR NOT (pg_has_role('slipway_api', 'USAGE') AND pg_has_role('slipway_worker', 'USAGE'))
  THEN
    EXECUTE format('GRANT slipway_api, slipway_worker TO %I', current_user);
  END IF;
EXCEPTION WHEN unique_violation OR invalid_grant_operation OR internal_error THEN NULL;
END $$;

CREATE FUNCTION current_tenant() RETURNS text LANGUAGE sql STABLE
  RETURN current_setting('slipway.tenant', true);

CREATE TABLE tenants (
  id          text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_.-]{1,64}$'),
  created_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tenants (id) VALUES ('default');

-- Keys of the installation as a whole: what signs download links. Made here, once; nobody ever types one.
CREATE TABLE service_keys (
  name        text PRIMARY KEY,
  value       bytea NOT NULL
);
INSERT INTO service_keys (name, value)
  VALUES ('download-links', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

CREATE TABLE api_keys (
  tenant_id   text NOT NULL REFERENCES tenants,
  id          uuid NOT NULL DEFAULT gen_random_uuid(),
  name        text NOT NULL,
  role        text NOT NULL CHECK (role IN ('owner', 'writer', 'reader')),
  secret_hash bytea NOT NULL UNIQUE,                 -- SHA-256 of the token; the token itself is stored nowhere
  created_at  timestamptz NOT NULL DEFAULT now(),
  revoked_at  timestamptz,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name)
);

CREATE TABLE firmwares (
  tenant_id    text NOT NULL REFERENCES tenants,
  id           uuid NOT NULL,
  name         text NOT NULL,
  description  text,
  version      text,
  state        text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'ready', 'expired', 'retired')),
  size         bigint,
  sha256       text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  content_type text NOT NULL DEFAULT 'application/octet-stream',
  labels       jsonb NOT NULL DEFAULT '{}',
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  upload_seen_at timestamptz,                        -- an upload in progress keeps a draft alive
  retired_at   timestamptz,                          -- a tombstone: name, version, size and hash stay for the audit trail
  PRIMARY KEY (tenant_id, id),
  CHECK ((state = 'ready') <= (sha256 IS NOT NULL AND size IS NOT NULL))
);
CREATE INDEX firmwares_newest ON firmwares (tenant_id, created_at DESC, id DESC) WHERE state <> 'retired';
CREATE INDEX firmwares_by_content ON firmwares (sha256) WHERE state = 'ready';
CREATE INDEX firmwares_drafts ON firmwares (created_at) WHERE state = 'draft';

CREATE TABLE device_types (
  tenant_id              text NOT NULL REFERENCES tenants,
  id                     uuid NOT NULL,
  name                   text NOT NULL,
  manufacturer           text,
  model                  text,
  description            text,
  categories             jsonb NOT NULL DEFAULT '[]',
  reporting_rules        jsonb NOT NULL DEFAULT '[]',
  schema                 jsonb NOT NULL DEFAULT '{}',
  slots                  jsonb NOT NULL DEFAULT '{}', -- { "<slot>": { "name": "Display name" } }
  communication_interval integer,
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX device_types_newest ON device_types (tenant_id, created_at DESC, id DESC);

-- What may be installed: only an associated firmware goes into that slot on devices of that type.
CREATE TABLE firmware_associations (
  tenant_id      text NOT NULL,
  id             uuid NOT NULL,
  device_type_id uuid NOT NULL,
  slot           text NOT NULL,
  firmware_id    uuid NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, device_type_id, slot, firmware_id),
  FOREIGN KEY (tenant_id, device_type_id) REFERENCES device_types ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, firmware_id) REFERENCES firmwares
);
CREATE INDEX firmware_associations_by_firmware ON firmware_associations (tenant_id, firmware_id);

CREATE TABLE devices (
  tenant_id              text NOT NULL REFERENCES tenants,
  id                     uuid NOT NULL,
  device_type_id         uuid NOT NULL,
  name                   text NOT NULL,
  description            text,
  tags                   text[] NOT NULL DEFAULT '{}',
  connected_by           uuid,                        -- the gateway, itself a device
  location               jsonb,
  coordinates            jsonb,
  installation_timestamp timestamptz,
  communication_interval integer,
  configuration          jsonb,
  custom                 jsonb,
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  -- what the device said of itself
  online                 boolean NOT NULL DEFAULT false,
  session                text,                        -- a last will counts only for the newest session
  last_seen_at           timestamptz,
  boot_id                text,
  agent                  jsonb,
  caps                   jsonb,
  hello_wanted_at        timestamptz,                 -- `cmd hello` is due until a hello is heard
  hello_at               timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, device_type_id) REFERENCES device_types,
  FOREIGN KEY (tenant_id, connected_by) REFERENCES devices (tenant_id, id)
);
CREATE INDEX devices_newest ON devices (tenant_id, created_at DESC, id DESC);
CREATE INDEX devices_by_type ON devices (tenant_id, device_type_id);
CREATE INDEX devices_by_gateway ON devices (tenant_id, connected_by) WHERE connected_by IS NOT NULL;
CREATE INDEX devices_by_tag ON devices USING gin (tags);
CREATE INDEX devices_by_name ON devices (tenant_id, name text_pattern_ops);

CREATE TABLE device_aliases (
  tenant_id  text NOT NULL,
  alias      text NOT NULL,
  device_id  uuid NOT NULL,
  position   integer NOT NULL DEFAULT 0,          -- lists come back in the order in which they were sent
  PRIMARY KEY (tenant_id, alias),
  FOREIGN KEY (tenant_id, device_id) REFERENCES devices ON DELETE CASCADE
);
CREATE INDEX device_aliases_of ON device_aliases (tenant_id, device_id);

CREATE TABLE device_credentials (
  tenant_id   text NOT NULL,
  id          uuid NOT NULL,
  device_id   uuid NOT NULL,
  type        text NOT NULL CHECK (type = 'password'),
  username    text NOT NULL,                          -- tenant/device; two passwords may be valid at a time
  secret_hash bytea NOT NULL,                         -- SHA-256: the service made 256 random bits, so a fast hash suffices
  created_at  timestamptz NOT NULL DEFAULT now(),
  revoked_at  timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES devices ON DELETE CASCADE
);
CREATE INDEX device_credentials_of ON device_credentials (tenant_id, device_id) WHERE revoked_at IS NULL;
CREATE INDEX device_credentials_by_username ON device_credentials (username) WHERE revoked_at IS NULL;

CREATE TABLE device_certificates (
  tenant_id   text NOT NULL,
  id          uuid NOT NULL,
  device_id   uuid NOT NULL,
  cert        text NOT NULL,
  fingerprint text NOT NULL,                          -- SHA-256 of the DER form, hex
  status      text NOT NULL CHECK (status IN ('valid', 'revoked')),
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, fingerprint),
  FOREIGN KEY (tenant_id, device_id) REFERENCES devices ON DELETE CASCADE
);
CREATE INDEX device_certificates_of ON device_certificates (tenant_id, device_id);

-- A slot: what it holds, as far as the device said.
CREATE TABLE device_slots (
  tenant_id         text NOT NULL,
  device_id         uuid NOT NULL,
  slot              text NOT NULL,
  version           text,
  sha256            text,
  firmware_id       uuid,
  installation_id   uuid,                             -- what brought the content here, where it is known
  confirmed         boolean NOT NULL DEFAULT false,
  reported_at       timestamptz,
  revision          bigint NOT NULL DEFAULT 0,        -- the highest that was used or that a hello reported; only ever rises
  PRIMARY KEY (tenant_id, device_id, slot),
  FOREIGN KEY (tenant_id, device_id) REFERENCES devices ON DELETE CASCADE
);

-- Where the broker may retain a document. Not tied to the device's row: a document of a device that was deleted must still be cleared.
CREATE TABLE published_documents (
  tenant_id    text NOT NULL,
  device_id    uuid NOT NULL,
  slot         text NOT NULL,
  node         text NOT NULL,                         -- the level of the topic under which it stands
  revision     bigint,
  published_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, device_id, slot, node)
);

CREATE TABLE installations (
  tenant_id        text NOT NULL,
  id               uuid NOT NULL,
  device_id        uuid NOT NULL,
  firmware_id      uuid NOT NULL,
  slot             text NOT NULL,
  state            text NOT NULL,
  executing        boolean NOT NULL DEFAULT false,    -- has its turn on the device
  attempt          integer NOT NULL DEFAULT 1,
  last_seq         integer NOT NULL DEFAULT 0,        -- of this attempt
  revision         bigint,                            -- of its document; null until it was offered
  gate             text NOT NULL DEFAULT 'go' CHECK (gate IN ('go', 'hold')),
  priority         integer NOT NULL DEFAULT 0,
  policy           jsonb NOT NULL,                    -- timeouts, retry, soak: milliseconds (domain/installation/policy.ts)
  sha256           text NOT NULL,                     -- of the firmware, fixed at the request
  prior_sha256     text,                              -- what the slot held when the document was published
  not_before       timestamptz,
  deadline         timestamptz,
  retry_at         timestamptz,                       -- when the next attempt begins, while a back-off runs
  due_at           timestamptz,                       -- when the process looks at this row at the latest
  requested_at     timestamptz NOT NULL,
  requested_by     text NOT NULL,
  state_since      timestamptz NOT NULL,
  started_at       timestamptz,
  completed_at     timestamptz,
  rejected_at      timestamptz,
  reject_reason    text,
  ended_at         timestamptz,
  progress         jsonb,                             -- { phase, bytes, total, at, movedAt }
  error            jsonb,                             -- { code, message } of the newest failed attempt
  cancel           jsonb,                             -- { requestedAt, reason, as, deadline } while a cancellation is under way
  deferral         jsonb,                             -- { until, since }
  hello_asked_at   timestamptz,
  already_installed boolean NOT NULL DEFAULT false,
  retry_of         uuid,
  rollout_id       uuid,
  process_started_at timestamptz,                     -- written by the sender of the outbox only
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES devices (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, firmware_id) REFERENCES firmwares (tenant_id, id)
);
CREATE UNIQUE INDEX installations_one_executing ON installations (tenant_id, device_id) WHERE executing;
CREATE INDEX installations_open_of_device ON installations (tenant_id, device_id) WHERE ended_at IS NULL;
CREATE INDEX installations_of_device ON installations (tenant_id, device_id, requested_at DESC, id DESC);
CREATE INDEX installations_newest ON installations (tenant_id, requested_at DESC, id DESC);
CREATE INDEX installations_by_state ON installations (tenant_id, state, requested_at DESC, id DESC);
CREATE INDEX installations_open_of_firmware ON installations (tenant_id, firmware_id) WHERE ended_at IS NULL;
CREATE INDEX installations_overdue ON installations (due_at) WHERE ended_at IS NULL;

-- What happened, append only. Entries are written unnumbered; the sealer (one writer) numbers and chains them per tenant.
CREATE TABLE history (
  entry           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id       text NOT NULL,
  at              timestamptz NOT NULL,
  device_id       uuid,
  installation_id uuid,
  rollout_id      uuid,
  event           text NOT NULL,
  data            jsonb NOT NULL DEFAULT '{}',
  number          bigint,
  hash            bytea,
  UNIQUE (tenant_id, number)
);
CREATE INDEX history_of_installation ON history (tenant_id, installation_id, entry) WHERE installation_id IS NOT NULL;
CREATE INDEX history_of_device ON history (tenant_id, device_id, entry) WHERE device_id IS NOT NULL;
CREATE INDEX history_unsealed ON history (entry) WHERE number IS NULL;

-- Messages of a device that were refused, and why: MQTT 3.1.1 returns no errors. Kept for an hour, bounded per device.
CREATE TABLE device_diagnostics (
  entry      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id  text NOT NULL,
  device_id  uuid NOT NULL,
  at         timestamptz NOT NULL,
  reason     text NOT NULL,
  detail     text NOT NULL,
  topic      text,
  payload    text                                     -- the first 512 characters
);
CREATE INDEX device_diagnostics_of ON device_diagnostics (tenant_id, device_id, entry DESC);
CREATE INDEX device_diagnostics_age ON device_diagnostics (at);

-- Level-triggered: a row says "bring this receiver up to date about this subject", not what changed. At most one per subject
-- and receiver; a second change raises the generation.
CREATE TABLE outbox (
  receiver     text NOT NULL CHECK (receiver IN ('workflow', 'document', 'credential')),
  tenant_id    text NOT NULL,
  subject      uuid NOT NULL,                         -- an installation, or a device
  detail       text NOT NULL DEFAULT '',              -- the slot, for documents
  generation   bigint NOT NULL DEFAULT 1,
  marked_at    timestamptz NOT NULL DEFAULT now(),
  due_at       timestamptz NOT NULL DEFAULT now(),
  leased_until timestamptz,
  attempts     integer NOT NULL DEFAULT 0,
  last_error   text,
  PRIMARY KEY (receiver, tenant_id, subject, detail)
);
CREATE INDEX outbox_due ON outbox (receiver, due_at);

CREATE TABLE leases (
  name       text PRIMARY KEY,
  holder     text NOT NULL,
  epoch      bigint NOT NULL,                         -- rises with each change of holder: what fences a stale one
  expires_at timestamptz NOT NULL
);

-- The walls.
DO $$
DECLARE walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['api_keys', 'firmwares', 'device_types', 'firmware_associations', 'devices', 'device_aliases',
    'device_credentials', 'device_certificates', 'device_slots', 'published_documents', 'installations', 'history', 'device_diagnostics', 'outbox']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY one_tenant ON %I TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
    EXECUTE format('CREATE POLICY all_tenants ON %I TO slipway_worker USING (true) WITH CHECK (true)', walled);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO slipway_api, slipway_worker', walled);
  END LOOP;
END $$;
-- Append only, also for a mistake in the code: only the sealer's two columns may be written later.
REVOKE UPDATE, DELETE ON history FROM slipway_api, slipway_worker;
GRANT UPDATE (number, hash) ON history TO slipway_worker;
REVOKE DELETE ON firmwares, installations FROM slipway_api, slipway_worker;
GRANT SELECT ON tenants, service_keys TO slipway_api, slipway_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON leases TO slipway_worker;
