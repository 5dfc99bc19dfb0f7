-- What the migrations make, as PostgreSQL describes it: to be read, never run. UPDATE_SCHEMA=1 npm test -- test/store/schema writes it anew.

CREATE TABLE api_keys (
  tenant_id text NOT NULL
  id uuid NOT NULL DEFAULT gen_random_uuid()
  name text NOT NULL
  role text
  secret_hash bytea NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  revoked_at timestamp with time zone
  permissions text[]
  principal text NOT NULL
  is_bootstrap boolean NOT NULL DEFAULT false
  expires_at timestamp with time zone
  works_until timestamp with time zone
  rotated_from uuid
  created_by text NOT NULL DEFAULT 'service'::text
  last_used_at timestamp with time zone
  CONSTRAINT api_keys_check CHECK (((role IS NOT NULL) OR (permissions IS NOT NULL)))
  CONSTRAINT api_keys_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT api_keys_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'writer'::text, 'reader'::text])))
  CONSTRAINT api_keys_secret_hash_key UNIQUE (secret_hash)
  CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
CREATE UNIQUE INDEX api_keys_by_principal ON public.api_keys USING btree (tenant_id, principal) WHERE (rotated_from IS NULL);
CREATE INDEX api_keys_newest ON public.api_keys USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX api_keys_of_predecessor ON public.api_keys USING btree (tenant_id, rotated_from) WHERE (rotated_from IS NOT NULL);
CREATE UNIQUE INDEX api_keys_one_bootstrap ON public.api_keys USING btree (is_bootstrap) WHERE is_bootstrap;
POLICY all_tenants ON api_keys TO slipway_worker USING true
POLICY one_tenant ON api_keys TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE audit_keys (
  public_key bytea NOT NULL
  since timestamp with time zone NOT NULL DEFAULT now()
  until timestamp with time zone
  CONSTRAINT audit_keys_pkey PRIMARY KEY (public_key)
  CONSTRAINT audit_keys_public_key_check CHECK ((length(public_key) = 32))
);
CREATE UNIQUE INDEX audit_keys_in_use ON public.audit_keys USING btree ((true)) WHERE (until IS NULL);
GRANT SELECT TO slipway_api
GRANT INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE audit_log (
  one boolean NOT NULL DEFAULT true
  id uuid NOT NULL DEFAULT gen_random_uuid()
  CONSTRAINT audit_log_one_check CHECK (one)
  CONSTRAINT audit_log_pkey PRIMARY KEY (one)
);
GRANT SELECT TO slipway_api
GRANT SELECT TO slipway_worker

CREATE TABLE audit_rotations (
  tenant_id text NOT NULL
  rotated_at timestamp with time zone NOT NULL DEFAULT now()
  note text NOT NULL
  CONSTRAINT audit_rotations_pkey PRIMARY KEY (tenant_id, rotated_at)
  CONSTRAINT audit_rotations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
POLICY all_tenants ON audit_rotations TO slipway_worker USING true
POLICY one_tenant ON audit_rotations TO slipway_api USING (tenant_id = current_tenant())
GRANT SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT TO slipway_worker

CREATE TABLE broker_losses (
  one boolean NOT NULL DEFAULT true
  lost_at timestamp with time zone NOT NULL
  asked_tenant text NOT NULL
  asked_device uuid NOT NULL
  are_all_asked boolean NOT NULL DEFAULT false
  CONSTRAINT broker_losses_one_check CHECK (one)
  CONSTRAINT broker_losses_pkey PRIMARY KEY (one)
);
GRANT INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE broker_seal (
  only_one boolean NOT NULL DEFAULT true
  public_key bytea NOT NULL
  since timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT broker_seal_only_one_check CHECK (only_one)
  CONSTRAINT broker_seal_pkey PRIMARY KEY (only_one)
);
GRANT SELECT TO slipway_api
GRANT INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE counters (
  name text NOT NULL
  reason text NOT NULL DEFAULT ''::text
  value bigint NOT NULL
  CONSTRAINT counters_pkey PRIMARY KEY (name, reason)
);
GRANT INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE device_aliases (
  tenant_id text NOT NULL
  alias text NOT NULL
  device_id uuid NOT NULL
  position integer NOT NULL DEFAULT 0
  CONSTRAINT device_aliases_pkey PRIMARY KEY (tenant_id, alias)
  CONSTRAINT device_aliases_tenant_id_device_id_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES devices(tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX device_aliases_of ON public.device_aliases USING btree (tenant_id, device_id);
POLICY all_tenants ON device_aliases TO slipway_worker USING true
POLICY one_tenant ON device_aliases TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE device_certificates (
  tenant_id text NOT NULL
  id uuid NOT NULL
  device_id uuid NOT NULL
  cert text NOT NULL
  fingerprint text NOT NULL
  status text NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT device_certificates_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT device_certificates_status_check CHECK ((status = ANY (ARRAY['valid'::text, 'revoked'::text])))
  CONSTRAINT device_certificates_tenant_id_device_id_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES devices(tenant_id, id) ON DELETE CASCADE
  CONSTRAINT device_certificates_tenant_id_fingerprint_key UNIQUE (tenant_id, fingerprint)
);
CREATE INDEX device_certificates_by_fingerprint ON public.device_certificates USING btree (fingerprint);
CREATE INDEX device_certificates_of ON public.device_certificates USING btree (tenant_id, device_id);
POLICY all_tenants ON device_certificates TO slipway_worker USING true
POLICY one_tenant ON device_certificates TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE device_credentials (
  tenant_id text NOT NULL
  id uuid NOT NULL
  device_id uuid NOT NULL
  type text NOT NULL
  username text NOT NULL
  secret_hash bytea NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  revoked_at timestamp with time zone
  sealed bytea
  CONSTRAINT device_credentials_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT device_credentials_tenant_id_device_id_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES devices(tenant_id, id) ON DELETE CASCADE
  CONSTRAINT device_credentials_type_check CHECK ((type = ANY (ARRAY['password'::text, 'token'::text, 'hawkbitToken'::text, 'hawkbitGateway'::text, 'certificate'::text])))
);
CREATE INDEX device_credentials_by_secret ON public.device_credentials USING btree (secret_hash) WHERE (revoked_at IS NULL);
CREATE INDEX device_credentials_by_username ON public.device_credentials USING btree (username) WHERE (revoked_at IS NULL);
CREATE INDEX device_credentials_of ON public.device_credentials USING btree (tenant_id, device_id) WHERE (revoked_at IS NULL);
POLICY all_tenants ON device_credentials TO slipway_worker USING true
POLICY one_tenant ON device_credentials TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE device_diagnostics (
  entry bigint NOT NULL GENERATED ALWAYS AS IDENTITY
  tenant_id text NOT NULL
  device_id uuid NOT NULL
  at timestamp with time zone NOT NULL
  reason text NOT NULL
  detail text NOT NULL
  topic text
  payload text
  CONSTRAINT device_diagnostics_pkey PRIMARY KEY (entry)
);
CREATE INDEX device_diagnostics_age ON public.device_diagnostics USING btree (at);
CREATE INDEX device_diagnostics_of ON public.device_diagnostics USING btree (tenant_id, device_id, entry DESC);
POLICY all_tenants ON device_diagnostics TO slipway_worker USING true
POLICY one_tenant ON device_diagnostics TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE device_slots (
  tenant_id text NOT NULL
  device_id uuid NOT NULL
  slot text NOT NULL
  version text
  sha256 text
  firmware_id uuid
  installation_id uuid
  confirmed boolean NOT NULL DEFAULT false
  reported_at timestamp with time zone
  revision bigint NOT NULL DEFAULT 0
  version_key text DEFAULT version_key(version)
  reported_by text
  CONSTRAINT device_slots_pkey PRIMARY KEY (tenant_id, device_id, slot)
  CONSTRAINT device_slots_tenant_id_device_id_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES devices(tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX device_slots_by_version ON public.device_slots USING btree (tenant_id, slot, version text_pattern_ops, device_id);
CREATE INDEX device_slots_by_version_key ON public.device_slots USING btree (tenant_id, slot, version_key, device_id);
POLICY all_tenants ON device_slots TO slipway_worker USING true
POLICY one_tenant ON device_slots TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE device_terms (
  tenant_id text NOT NULL
  device_id uuid NOT NULL
  field text NOT NULL
  value text NOT NULL
  CONSTRAINT device_terms_pkey PRIMARY KEY (tenant_id, device_id, field, value)
);
CREATE INDEX device_terms_by_value ON public.device_terms USING btree (tenant_id, field, value text_pattern_ops, device_id);
POLICY all_tenants ON device_terms TO slipway_worker USING true
POLICY one_tenant ON device_terms TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE device_types (
  tenant_id text NOT NULL
  id uuid NOT NULL
  name text NOT NULL
  manufacturer text
  model text
  description text
  categories jsonb NOT NULL DEFAULT '[]'::jsonb
  reporting_rules jsonb NOT NULL DEFAULT '[]'::jsonb
  schema jsonb NOT NULL DEFAULT '{}'::jsonb
  slots jsonb NOT NULL DEFAULT '{}'::jsonb
  communication_interval integer
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  confirmation text
  CONSTRAINT device_types_confirmation_check CHECK ((confirmation = 'required'::text))
  CONSTRAINT device_types_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT device_types_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
CREATE INDEX device_types_by_name ON public.device_types USING btree (tenant_id, name text_pattern_ops);
CREATE INDEX device_types_in_order_of_names ON public.device_types USING btree (tenant_id, name COLLATE "C", id);
CREATE INDEX device_types_newest ON public.device_types USING btree (tenant_id, created_at DESC, id DESC);
POLICY all_tenants ON device_types TO slipway_worker USING true
POLICY one_tenant ON device_types TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE devices (
  tenant_id text NOT NULL
  id uuid NOT NULL
  device_type_id uuid NOT NULL
  name text NOT NULL
  description text
  tags text[] NOT NULL DEFAULT '{}'::text[]
  connected_by uuid
  location jsonb
  coordinates jsonb
  installation_timestamp timestamp with time zone
  communication_interval integer
  configuration jsonb
  custom jsonb
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  online boolean NOT NULL DEFAULT false
  session text
  last_seen_at timestamp with time zone
  boot_id text
  agent jsonb
  caps jsonb
  hello_wanted_at timestamp with time zone
  hello_at timestamp with time zone
  reachable boolean
  last_seen_hour timestamp without time zone DEFAULT date_trunc('hour'::text, (last_seen_at AT TIME ZONE 'UTC'::text))
  boots jsonb NOT NULL DEFAULT '[]'::jsonb
  said_type text
  reports_as text
  silent_since timestamp with time zone
  polled_until timestamp with time zone
  CONSTRAINT devices_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT devices_tenant_id_connected_by_fkey FOREIGN KEY (tenant_id, connected_by) REFERENCES devices(tenant_id, id)
  CONSTRAINT devices_tenant_id_device_type_id_fkey FOREIGN KEY (tenant_id, device_type_id) REFERENCES device_types(tenant_id, id)
  CONSTRAINT devices_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
CREATE INDEX devices_by_gateway ON public.devices USING btree (tenant_id, connected_by) WHERE (connected_by IS NOT NULL);
CREATE INDEX devices_by_hour ON public.devices USING btree (tenant_id, last_seen_hour);
CREATE INDEX devices_by_interval ON public.devices USING btree (communication_interval) WHERE (communication_interval > 0);
CREATE INDEX devices_by_name ON public.devices USING btree (tenant_id, name text_pattern_ops);
CREATE INDEX devices_by_type ON public.devices USING btree (tenant_id, device_type_id);
CREATE INDEX devices_in_order_of_names ON public.devices USING btree (tenant_id, name COLLATE "C", id);
CREATE INDEX devices_newest ON public.devices USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX devices_online ON public.devices USING btree (tenant_id, online, created_at DESC, id DESC);
CREATE INDEX devices_online_by_hour ON public.devices USING btree (last_seen_hour NULLS FIRST) WHERE online;
CREATE INDEX devices_polling ON public.devices USING btree (polled_until) WHERE (polled_until IS NOT NULL);
POLICY all_tenants ON devices TO slipway_worker USING true
POLICY one_tenant ON devices TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE ended_credentials (
  id uuid NOT NULL
  at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ended_credentials_at ON public.ended_credentials USING btree (at);
GRANT DELETE, SELECT TO slipway_worker

CREATE TABLE enrolment_tokens (
  tenant_id text NOT NULL
  id uuid NOT NULL
  name text NOT NULL
  device_type_id uuid NOT NULL
  uses integer NOT NULL
  used integer NOT NULL DEFAULT 0
  approval text NOT NULL
  secret_hash bytea NOT NULL
  expires_at timestamp with time zone NOT NULL
  created_at timestamp with time zone NOT NULL
  created_by text NOT NULL
  revoked_at timestamp with time zone
  CONSTRAINT enrolment_tokens_approval_check CHECK ((approval = ANY (ARRAY['auto'::text, 'manual'::text])))
  CONSTRAINT enrolment_tokens_check CHECK ((used <= uses))
  CONSTRAINT enrolment_tokens_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT enrolment_tokens_secret_hash_key UNIQUE (secret_hash)
  CONSTRAINT enrolment_tokens_tenant_id_device_type_id_fkey FOREIGN KEY (tenant_id, device_type_id) REFERENCES device_types(tenant_id, id) ON DELETE CASCADE
  CONSTRAINT enrolment_tokens_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
  CONSTRAINT enrolment_tokens_uses_check CHECK ((uses > 0))
);
CREATE INDEX enrolment_tokens_newest ON public.enrolment_tokens USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX enrolment_tokens_of_type ON public.enrolment_tokens USING btree (tenant_id, device_type_id);
POLICY all_tenants ON enrolment_tokens TO slipway_worker USING true
POLICY one_tenant ON enrolment_tokens TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE enrolments (
  tenant_id text NOT NULL
  id uuid NOT NULL
  serial text NOT NULL
  aliases text[] NOT NULL DEFAULT '{}'::text[]
  device_type_id uuid NOT NULL
  public_key_hash bytea
  state text NOT NULL
  token_id uuid
  device_id uuid
  certificate_id uuid
  address text
  created_at timestamp with time zone NOT NULL
  created_by text NOT NULL
  decided_at timestamp with time zone
  decided_by text
  CONSTRAINT enrolments_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT enrolments_state_check CHECK ((state = ANY (ARRAY['preauthorised'::text, 'pending'::text, 'approved'::text, 'rejected'::text, 'issued'::text])))
  CONSTRAINT enrolments_tenant_id_device_id_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES devices(tenant_id, id) ON DELETE CASCADE
  CONSTRAINT enrolments_tenant_id_device_type_id_fkey FOREIGN KEY (tenant_id, device_type_id) REFERENCES device_types(tenant_id, id) ON DELETE CASCADE
  CONSTRAINT enrolments_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
  CONSTRAINT enrolments_tenant_id_serial_key UNIQUE (tenant_id, serial)
);
CREATE INDEX enrolments_newest ON public.enrolments USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX enrolments_of_device ON public.enrolments USING btree (tenant_id, device_id);
CREATE INDEX enrolments_of_type ON public.enrolments USING btree (tenant_id, device_type_id);
CREATE INDEX enrolments_pending ON public.enrolments USING btree (tenant_id, created_at) WHERE (state = 'pending'::text);
POLICY all_tenants ON enrolments TO slipway_worker USING true
POLICY one_tenant ON enrolments TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE firmware_associations (
  tenant_id text NOT NULL
  id uuid NOT NULL
  device_type_id uuid NOT NULL
  slot text NOT NULL
  firmware_id uuid NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT firmware_associations_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT firmware_associations_tenant_id_device_type_id_fkey FOREIGN KEY (tenant_id, device_type_id) REFERENCES device_types(tenant_id, id) ON DELETE CASCADE
  CONSTRAINT firmware_associations_tenant_id_device_type_id_slot_firmwar_key UNIQUE (tenant_id, device_type_id, slot, firmware_id)
  CONSTRAINT firmware_associations_tenant_id_firmware_id_fkey FOREIGN KEY (tenant_id, firmware_id) REFERENCES firmwares(tenant_id, id)
);
CREATE INDEX firmware_associations_by_firmware ON public.firmware_associations USING btree (tenant_id, firmware_id);
POLICY all_tenants ON firmware_associations TO slipway_worker USING true
POLICY one_tenant ON firmware_associations TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE firmware_upload_pieces (
  tenant_id text NOT NULL
  upload_id uuid NOT NULL
  at bigint NOT NULL
  size integer NOT NULL
  name uuid NOT NULL
  CONSTRAINT firmware_upload_pieces_pkey PRIMARY KEY (tenant_id, upload_id, at)
  CONSTRAINT firmware_upload_pieces_size_check CHECK ((size > 0))
  CONSTRAINT firmware_upload_pieces_tenant_id_upload_id_fkey FOREIGN KEY (tenant_id, upload_id) REFERENCES firmware_uploads(tenant_id, id) ON DELETE CASCADE
);
POLICY all_tenants ON firmware_upload_pieces TO slipway_worker USING true
POLICY one_tenant ON firmware_upload_pieces TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE firmware_uploads (
  tenant_id text NOT NULL
  id uuid NOT NULL
  firmware_id uuid NOT NULL
  length bigint NOT NULL
  received bigint NOT NULL DEFAULT 0
  pieces integer NOT NULL DEFAULT 0
  metadata text
  created_at timestamp with time zone NOT NULL
  expires_at timestamp with time zone NOT NULL
  finished_at timestamp with time zone
  CONSTRAINT firmware_uploads_check CHECK (((received >= 0) AND (received <= length)))
  CONSTRAINT firmware_uploads_length_check CHECK ((length > 0))
  CONSTRAINT firmware_uploads_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT firmware_uploads_tenant_id_firmware_id_fkey FOREIGN KEY (tenant_id, firmware_id) REFERENCES firmwares(tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX firmware_uploads_expiry ON public.firmware_uploads USING btree (expires_at);
CREATE INDEX firmware_uploads_of_firmware ON public.firmware_uploads USING btree (tenant_id, firmware_id);
POLICY all_tenants ON firmware_uploads TO slipway_worker USING true
POLICY one_tenant ON firmware_uploads TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE firmwares (
  tenant_id text NOT NULL
  id uuid NOT NULL
  name text NOT NULL
  description text
  version text
  state text NOT NULL DEFAULT 'draft'::text
  size bigint
  sha256 text
  content_type text NOT NULL DEFAULT 'application/octet-stream'::text
  labels jsonb NOT NULL DEFAULT '{}'::jsonb
  created_by text NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  updated_at timestamp with time zone NOT NULL DEFAULT now()
  upload_seen_at timestamp with time zone
  retired_at timestamp with time zone
  expected_sha256 text
  expected_size bigint
  sha1 text
  md5 text
  CONSTRAINT firmwares_check CHECK (((state = 'ready'::text) <= ((sha256 IS NOT NULL) AND (size IS NOT NULL))))
  CONSTRAINT firmwares_expected_sha256_check CHECK ((expected_sha256 ~ '^[0-9a-f]{64}$'::text))
  CONSTRAINT firmwares_expected_size_check CHECK ((expected_size > 0))
  CONSTRAINT firmwares_md5_check CHECK ((md5 ~ '^[0-9a-f]{32}$'::text))
  CONSTRAINT firmwares_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT firmwares_sha1_check CHECK ((sha1 ~ '^[0-9a-f]{40}$'::text))
  CONSTRAINT firmwares_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
  CONSTRAINT firmwares_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'ready'::text, 'expired'::text, 'retired'::text])))
  CONSTRAINT firmwares_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
CREATE INDEX firmwares_by_content ON public.firmwares USING btree (sha256) WHERE (state = 'ready'::text);
CREATE INDEX firmwares_by_digest ON public.firmwares USING btree (tenant_id, sha256) WHERE ((sha256 IS NOT NULL) AND (version IS NOT NULL));
CREATE INDEX firmwares_by_name ON public.firmwares USING btree (tenant_id, name text_pattern_ops) WHERE (state <> 'retired'::text);
CREATE INDEX firmwares_by_sha256 ON public.firmwares USING btree (tenant_id, sha256) WHERE (state <> 'retired'::text);
CREATE INDEX firmwares_by_version ON public.firmwares USING btree (tenant_id, version text_pattern_ops) WHERE (state <> 'retired'::text);
CREATE INDEX firmwares_drafts ON public.firmwares USING btree (created_at) WHERE (state = 'draft'::text);
CREATE INDEX firmwares_in_order_of_names ON public.firmwares USING btree (tenant_id, name COLLATE "C", id) WHERE (state <> 'retired'::text);
CREATE INDEX firmwares_newest ON public.firmwares USING btree (tenant_id, created_at DESC, id DESC) WHERE (state <> 'retired'::text);
POLICY all_tenants ON firmwares TO slipway_worker USING true
POLICY of_removed ON firmwares TO slipway_worker USING is_removing(tenant_id)
POLICY one_tenant ON firmwares TO slipway_api USING (tenant_id = current_tenant())
GRANT INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE hawkbit_actions (
  tenant_id text NOT NULL
  number integer NOT NULL
  device_id uuid NOT NULL
  installation_id uuid NOT NULL
  attempt integer NOT NULL
  CONSTRAINT hawkbit_actions_number_check CHECK ((number > 0))
  CONSTRAINT hawkbit_actions_pkey PRIMARY KEY (tenant_id, number)
  CONSTRAINT hawkbit_actions_tenant_id_installation_id_attempt_key UNIQUE (tenant_id, installation_id, attempt)
  CONSTRAINT hawkbit_actions_tenant_id_installation_id_fkey FOREIGN KEY (tenant_id, installation_id) REFERENCES installations(tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX hawkbit_actions_of_device ON public.hawkbit_actions USING btree (tenant_id, device_id, number DESC);
POLICY all_tenants ON hawkbit_actions TO slipway_worker USING true
POLICY one_tenant ON hawkbit_actions TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE hawkbit_counters (
  tenant_id text NOT NULL
  last integer NOT NULL
  CONSTRAINT hawkbit_counters_last_check CHECK ((last > 0))
  CONSTRAINT hawkbit_counters_pkey PRIMARY KEY (tenant_id)
  CONSTRAINT hawkbit_counters_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
POLICY all_tenants ON hawkbit_counters TO slipway_worker USING true
POLICY one_tenant ON hawkbit_counters TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE hawkbit_devices (
  tenant_id text NOT NULL
  device_id uuid NOT NULL
  configured_at timestamp with time zone
  auto_confirm jsonb
  CONSTRAINT hawkbit_devices_pkey PRIMARY KEY (tenant_id, device_id)
  CONSTRAINT hawkbit_devices_tenant_id_device_id_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES devices(tenant_id, id) ON DELETE CASCADE
);
POLICY all_tenants ON hawkbit_devices TO slipway_worker USING true
POLICY one_tenant ON hawkbit_devices TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE hawkbit_settings (
  tenant_id text NOT NULL
  polling_seconds integer NOT NULL DEFAULT 300
  gateway_hash bytea
  registers_as uuid
  authorities text[] NOT NULL DEFAULT '{}'::text[]
  CONSTRAINT hawkbit_settings_pkey PRIMARY KEY (tenant_id)
  CONSTRAINT hawkbit_settings_polling_seconds_check CHECK (((polling_seconds >= 1) AND (polling_seconds <= 86399)))
  CONSTRAINT hawkbit_settings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
  CONSTRAINT hawkbit_settings_tenant_id_registers_as_fkey FOREIGN KEY (tenant_id, registers_as) REFERENCES device_types(tenant_id, id) ON DELETE SET NULL (registers_as)
);
POLICY all_tenants ON hawkbit_settings TO slipway_worker USING true
POLICY one_tenant ON hawkbit_settings TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE history (
  entry bigint NOT NULL GENERATED ALWAYS AS IDENTITY
  tenant_id text NOT NULL
  at timestamp with time zone NOT NULL
  device_id uuid
  installation_id uuid
  rollout_id uuid
  event text NOT NULL
  data jsonb NOT NULL DEFAULT '{}'::jsonb
  number bigint
  hash bytea
  by_whom text DEFAULT (data ->> 'by'::text)
  CONSTRAINT history_pkey PRIMARY KEY (entry)
  CONSTRAINT history_tenant_id_number_key UNIQUE (tenant_id, number)
);
CREATE INDEX history_audit_by_action ON public.history USING btree (tenant_id, ((data ->> 'action'::text)), number) WHERE ((event = 'audit'::text) AND (number IS NOT NULL));
CREATE INDEX history_audit_by_actor ON public.history USING btree (tenant_id, ((data ->> 'actor'::text)), number) WHERE ((event = 'audit'::text) AND (number IS NOT NULL));
CREATE INDEX history_audit_by_resource ON public.history USING btree (tenant_id, (((data -> 'resource'::text) ->> 'id'::text)), number) WHERE ((event = 'audit'::text) AND (number IS NOT NULL));
CREATE INDEX history_by_event ON public.history USING btree (tenant_id, event, number) WHERE (number IS NOT NULL);
CREATE INDEX history_by_whom ON public.history USING btree (tenant_id, by_whom, number) WHERE ((number IS NOT NULL) AND (by_whom IS NOT NULL));
CREATE INDEX history_of_device ON public.history USING btree (tenant_id, device_id, entry) WHERE (device_id IS NOT NULL);
CREATE INDEX history_of_installation ON public.history USING btree (tenant_id, installation_id, entry) WHERE (installation_id IS NOT NULL);
CREATE INDEX history_of_rollout ON public.history USING btree (tenant_id, rollout_id, entry) WHERE (rollout_id IS NOT NULL);
CREATE INDEX history_of_rollout_by_number ON public.history USING btree (tenant_id, rollout_id, number) WHERE (rollout_id IS NOT NULL);
CREATE INDEX history_unsealed ON public.history USING btree (entry) WHERE (number IS NULL);
POLICY all_tenants ON history TO slipway_worker USING true
POLICY may_go ON history TO slipway_worker USING (is_removing(tenant_id) OR ((number IS NOT NULL) AND (EXISTS ( SELECT
   FROM history_dropped d
  WHERE ((d.tenant_id = history.tenant_id) AND (history.number <= d.number) AND ((history.event <> 'audit'::text) OR (history.at < d.acts_before)))))))
POLICY one_tenant ON history TO slipway_api USING (tenant_id = current_tenant())
GRANT INSERT, SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT TO slipway_worker

CREATE TABLE history_dropped (
  tenant_id text NOT NULL
  number bigint NOT NULL
  hash bytea NOT NULL
  acts_before timestamp with time zone
  CONSTRAINT history_dropped_hash_check CHECK ((length(hash) = 32))
  CONSTRAINT history_dropped_number_check CHECK ((number > 0))
  CONSTRAINT history_dropped_pkey PRIMARY KEY (tenant_id)
  CONSTRAINT history_dropped_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
POLICY all_tenants ON history_dropped TO slipway_worker USING true
POLICY of_removed ON history_dropped TO slipway_worker USING is_removing(tenant_id)
POLICY one_tenant ON history_dropped TO slipway_api USING (tenant_id = current_tenant())
GRANT SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE history_tiles (
  tenant_id text NOT NULL
  level smallint NOT NULL
  index integer NOT NULL
  hashes bytea NOT NULL
  root bytea
  CONSTRAINT history_tiles_hashes_check CHECK ((((length(hashes) >= 32) AND (length(hashes) <= 8192)) AND ((length(hashes) % 32) = 0)))
  CONSTRAINT history_tiles_index_check CHECK ((index >= 0))
  CONSTRAINT history_tiles_level_check CHECK ((level >= 0))
  CONSTRAINT history_tiles_pkey PRIMARY KEY (tenant_id, level, index)
  CONSTRAINT history_tiles_root_check CHECK ((length(root) = 32))
  CONSTRAINT history_tiles_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
POLICY all_tenants ON history_tiles TO slipway_worker USING true
POLICY of_removed ON history_tiles TO slipway_worker USING is_removing(tenant_id)
POLICY one_tenant ON history_tiles TO slipway_api USING (tenant_id = current_tenant())
GRANT SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE idempotency_keys (
  tenant_id text NOT NULL
  key text NOT NULL
  fingerprint bytea NOT NULL
  status integer NOT NULL
  body text NOT NULL
  created_at timestamp with time zone NOT NULL
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, key)
  CONSTRAINT idempotency_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
CREATE INDEX idempotency_keys_age ON public.idempotency_keys USING btree (created_at);
POLICY all_tenants ON idempotency_keys TO slipway_worker USING true
POLICY one_tenant ON idempotency_keys TO slipway_api USING (tenant_id = current_tenant())
GRANT INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE installations (
  tenant_id text NOT NULL
  id uuid NOT NULL
  device_id uuid NOT NULL
  firmware_id uuid NOT NULL
  slot text NOT NULL
  state text NOT NULL
  executing boolean NOT NULL DEFAULT false
  attempt integer NOT NULL DEFAULT 1
  last_seq integer NOT NULL DEFAULT 0
  revision bigint
  gate text NOT NULL DEFAULT 'go'::text
  priority integer NOT NULL DEFAULT 0
  policy jsonb NOT NULL
  sha256 text NOT NULL
  prior_sha256 text
  not_before timestamp with time zone
  deadline timestamp with time zone
  retry_at timestamp with time zone
  due_at timestamp with time zone
  requested_at timestamp with time zone NOT NULL
  requested_by text NOT NULL
  state_since timestamp with time zone NOT NULL
  started_at timestamp with time zone
  completed_at timestamp with time zone
  rejected_at timestamp with time zone
  reject_reason text
  ended_at timestamp with time zone
  progress jsonb
  error jsonb
  cancel jsonb
  deferral jsonb
  hello_asked_at timestamp with time zone
  already_installed boolean NOT NULL DEFAULT false
  retry_of uuid
  rollout_id uuid
  process_started_at timestamp with time zone
  back_at timestamp with time zone
  offered_at timestamp with time zone
  doubt jsonb
  place text NOT NULL DEFAULT 'has'::text
  CONSTRAINT installations_gate_check CHECK ((gate = ANY (ARRAY['go'::text, 'hold'::text])))
  CONSTRAINT installations_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT installations_place_check CHECK ((place = ANY (ARRAY['has'::text, 'none'::text, 'wanted'::text])))
  CONSTRAINT installations_tenant_id_device_id_fkey FOREIGN KEY (tenant_id, device_id) REFERENCES devices(tenant_id, id) ON DELETE CASCADE
  CONSTRAINT installations_tenant_id_firmware_id_fkey FOREIGN KEY (tenant_id, firmware_id) REFERENCES firmwares(tenant_id, id)
);
CREATE INDEX installations_by_end ON public.installations USING btree (tenant_id, (
CASE
    WHEN (ended_at IS NULL) THEN 'infinity'::timestamp with time zone
    ELSE ended_at
END), id);
CREATE INDEX installations_by_slot ON public.installations USING btree (tenant_id, slot, requested_at DESC, id DESC);
CREATE INDEX installations_by_state ON public.installations USING btree (tenant_id, state, requested_at DESC, id DESC);
CREATE INDEX installations_newest ON public.installations USING btree (tenant_id, requested_at DESC, id DESC);
CREATE INDEX installations_of_device ON public.installations USING btree (tenant_id, device_id, requested_at DESC, id DESC);
CREATE INDEX installations_of_firmware ON public.installations USING btree (tenant_id, firmware_id, requested_at DESC, id DESC);
CREATE INDEX installations_of_rollout ON public.installations USING btree (tenant_id, rollout_id, requested_at DESC, id DESC) WHERE (rollout_id IS NOT NULL);
CREATE UNIQUE INDEX installations_one_executing ON public.installations USING btree (tenant_id, device_id) WHERE executing;
CREATE INDEX installations_open_of_device ON public.installations USING btree (tenant_id, device_id) WHERE (ended_at IS NULL);
CREATE INDEX installations_open_of_firmware ON public.installations USING btree (tenant_id, firmware_id) WHERE (ended_at IS NULL);
CREATE INDEX installations_overdue ON public.installations USING btree (due_at) WHERE (ended_at IS NULL);
CREATE INDEX installations_want_place ON public.installations USING btree (tenant_id, rollout_id, state_since) WHERE ((place = 'wanted'::text) AND (ended_at IS NULL));
POLICY all_tenants ON installations TO slipway_worker USING true
POLICY has_ended ON installations TO slipway_worker USING (ended_at IS NOT NULL)
POLICY one_tenant ON installations TO slipway_api USING (tenant_id = current_tenant())
GRANT INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE job_lines (
  tenant_id text NOT NULL
  job_id uuid NOT NULL
  line integer NOT NULL
  body text
  fault text
  CONSTRAINT job_lines_pkey PRIMARY KEY (tenant_id, job_id, line)
  CONSTRAINT job_lines_tenant_id_job_id_fkey FOREIGN KEY (tenant_id, job_id) REFERENCES jobs(tenant_id, id) ON DELETE CASCADE
);
POLICY all_tenants ON job_lines TO slipway_worker USING true
POLICY one_tenant ON job_lines TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE job_results (
  tenant_id text NOT NULL
  job_id uuid NOT NULL
  line integer NOT NULL
  sealed bytea NOT NULL
  CONSTRAINT job_results_pkey PRIMARY KEY (tenant_id, job_id, line)
  CONSTRAINT job_results_tenant_id_job_id_fkey FOREIGN KEY (tenant_id, job_id) REFERENCES jobs(tenant_id, id) ON DELETE CASCADE
);
POLICY all_tenants ON job_results TO slipway_worker USING true
POLICY one_tenant ON job_results TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT TO slipway_worker

CREATE TABLE jobs (
  tenant_id text NOT NULL
  id uuid NOT NULL
  kind text NOT NULL
  state text NOT NULL
  spec jsonb NOT NULL
  created_by text NOT NULL
  created_at timestamp with time zone NOT NULL
  started_at timestamp with time zone
  ended_at timestamp with time zone
  total integer NOT NULL DEFAULT 0
  done integer NOT NULL DEFAULT 0
  failed integer NOT NULL DEFAULT 0
  skipped integer NOT NULL DEFAULT 0
  errors jsonb NOT NULL DEFAULT '[]'::jsonb
  position integer NOT NULL DEFAULT 0
  cancel_asked boolean NOT NULL DEFAULT false
  attempts integer NOT NULL DEFAULT 0
  claim uuid
  claimed_until timestamp with time zone
  has_result boolean NOT NULL DEFAULT false
  result_deleted_at timestamp with time zone
  origin jsonb
  CONSTRAINT jobs_kind_check CHECK ((kind = ANY (ARRAY['import'::text, 'bulk'::text])))
  CONSTRAINT jobs_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT jobs_state_check CHECK ((state = ANY (ARRAY['receiving'::text, 'queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'canceled'::text])))
  CONSTRAINT jobs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
CREATE INDEX jobs_newest ON public.jobs USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX jobs_open ON public.jobs USING btree (created_at) WHERE (state = ANY (ARRAY['receiving'::text, 'queued'::text, 'running'::text]));
POLICY all_tenants ON jobs TO slipway_worker USING true
POLICY one_tenant ON jobs TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE leases (
  name text NOT NULL
  holder text NOT NULL
  epoch bigint NOT NULL
  expires_at timestamp with time zone NOT NULL
  length interval NOT NULL DEFAULT '00:00:05'::interval
  CONSTRAINT leases_pkey PRIMARY KEY (name)
);
GRANT SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE outbox (
  receiver text NOT NULL
  tenant_id text NOT NULL
  subject uuid NOT NULL
  detail text NOT NULL DEFAULT ''::text
  generation bigint NOT NULL DEFAULT 1
  marked_at timestamp with time zone NOT NULL DEFAULT now()
  due_at timestamp with time zone NOT NULL DEFAULT now()
  leased_until timestamp with time zone
  attempts integer NOT NULL DEFAULT 0
  last_error text
  is_start boolean NOT NULL DEFAULT false
  CONSTRAINT outbox_pkey PRIMARY KEY (receiver, tenant_id, subject, detail)
  CONSTRAINT outbox_receiver_check CHECK ((receiver = ANY (ARRAY['workflow'::text, 'document'::text, 'credential'::text])))
);
CREATE INDEX outbox_due ON public.outbox USING btree (receiver, is_start, due_at);
POLICY all_tenants ON outbox TO slipway_worker USING true
POLICY one_tenant ON outbox TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE published_documents (
  tenant_id text NOT NULL
  device_id uuid NOT NULL
  slot text NOT NULL
  node text NOT NULL
  revision bigint
  published_at timestamp with time zone NOT NULL DEFAULT now()
  CONSTRAINT published_documents_pkey PRIMARY KEY (tenant_id, device_id, slot, node)
);
POLICY all_tenants ON published_documents TO slipway_worker USING true
POLICY one_tenant ON published_documents TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE removable_contents (
  sha256 text NOT NULL
  marked_at timestamp with time zone NOT NULL DEFAULT now()
  removal uuid
  removing_since timestamp with time zone
  CONSTRAINT removable_contents_pkey PRIMARY KEY (sha256)
  CONSTRAINT removable_contents_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
GRANT INSERT, SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE removable_pieces (
  name uuid NOT NULL
  CONSTRAINT removable_pieces_pkey PRIMARY KEY (name)
);
GRANT DELETE, INSERT, SELECT TO slipway_worker

CREATE TABLE rollout_firmwares (
  tenant_id text NOT NULL
  rollout_id uuid NOT NULL
  firmware_id uuid NOT NULL
  CONSTRAINT rollout_firmwares_pkey PRIMARY KEY (tenant_id, rollout_id, firmware_id)
  CONSTRAINT rollout_firmwares_tenant_id_firmware_id_fkey FOREIGN KEY (tenant_id, firmware_id) REFERENCES firmwares(tenant_id, id)
  CONSTRAINT rollout_firmwares_tenant_id_rollout_id_fkey FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts(tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX rollout_firmwares_of ON public.rollout_firmwares USING btree (tenant_id, firmware_id);
POLICY all_tenants ON rollout_firmwares TO slipway_worker USING true
POLICY one_tenant ON rollout_firmwares TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE rollout_groups (
  tenant_id text NOT NULL
  rollout_id uuid NOT NULL
  position smallint NOT NULL
  name text NOT NULL
  size integer NOT NULL DEFAULT 0
  pending integer NOT NULL DEFAULT 0
  queued integer NOT NULL DEFAULT 0
  in_flight integer NOT NULL DEFAULT 0
  installed integer NOT NULL DEFAULT 0
  already_installed integer NOT NULL DEFAULT 0
  failed integer NOT NULL DEFAULT 0
  rejected integer NOT NULL DEFAULT 0
  canceled integer NOT NULL DEFAULT 0
  timed_out integer NOT NULL DEFAULT 0
  superseded integer NOT NULL DEFAULT 0
  bytes bigint NOT NULL DEFAULT 0
  admissions integer NOT NULL DEFAULT 0
  prefix_ended integer NOT NULL DEFAULT 0
  prefix_failed integer NOT NULL DEFAULT 0
  back_pending integer NOT NULL DEFAULT 0
  back_in_flight integer NOT NULL DEFAULT 0
  back_done integer NOT NULL DEFAULT 0
  back_failed integer NOT NULL DEFAULT 0
  opened_at timestamp with time zone
  soaking_since timestamp with time zone
  asked_at timestamp with time zone
  approvals jsonb NOT NULL DEFAULT '[]'::jsonb
  passed_at timestamp with time zone
  failed_at timestamp with time zone
  because text
  skipped integer NOT NULL DEFAULT 0
  unattempted_rejected integer NOT NULL DEFAULT 0
  unattempted_timed_out integer NOT NULL DEFAULT 0
  away integer NOT NULL DEFAULT 0
  prefix_to integer NOT NULL DEFAULT 0
  held_to uuid
  back_queued integer NOT NULL DEFAULT 0
  moved_at timestamp with time zone
  CONSTRAINT rollout_groups_pkey PRIMARY KEY (tenant_id, rollout_id, "position")
  CONSTRAINT rollout_groups_tenant_id_rollout_id_fkey FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts(tenant_id, id) ON DELETE CASCADE
  CONSTRAINT rollout_groups_tenant_id_rollout_id_name_key UNIQUE (tenant_id, rollout_id, name)
);
POLICY all_tenants ON rollout_groups TO slipway_worker USING true
POLICY one_tenant ON rollout_groups TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE rollout_leftovers (
  tenant_id text NOT NULL
  rollout_id uuid NOT NULL
  CONSTRAINT rollout_leftovers_pkey PRIMARY KEY (tenant_id, rollout_id)
  CONSTRAINT rollout_leftovers_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
POLICY all_tenants ON rollout_leftovers TO slipway_worker USING true
POLICY one_tenant ON rollout_leftovers TO slipway_api USING (tenant_id = current_tenant())
GRANT INSERT, SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE rollout_series (
  tenant_id text NOT NULL
  rollout_id uuid NOT NULL
  position smallint NOT NULL
  at timestamp with time zone NOT NULL
  started integer NOT NULL DEFAULT 0
  ended integer NOT NULL DEFAULT 0
  failed integer NOT NULL DEFAULT 0
  CONSTRAINT rollout_series_pkey PRIMARY KEY (tenant_id, rollout_id, "position", at)
  CONSTRAINT rollout_series_tenant_id_rollout_id_fkey FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts(tenant_id, id) ON DELETE CASCADE
);
POLICY all_tenants ON rollout_series TO slipway_worker USING true
POLICY one_tenant ON rollout_series TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE rollout_starts (
  tenant_id text NOT NULL
  rollout_id uuid NOT NULL
  at timestamp with time zone NOT NULL
  count integer NOT NULL
  CONSTRAINT rollout_starts_tenant_id_rollout_id_fkey FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts(tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX rollout_starts_of ON public.rollout_starts USING btree (tenant_id, rollout_id, at);
POLICY all_tenants ON rollout_starts TO slipway_worker USING true
POLICY one_tenant ON rollout_starts TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE rollout_sweeps (
  tenant_id text NOT NULL
  rollout_id uuid NOT NULL
  CONSTRAINT rollout_sweeps_pkey PRIMARY KEY (tenant_id, rollout_id)
  CONSTRAINT rollout_sweeps_tenant_id_rollout_id_fkey FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts(tenant_id, id) ON DELETE CASCADE
);
POLICY all_tenants ON rollout_sweeps TO slipway_worker USING true
POLICY one_tenant ON rollout_sweeps TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE rollout_targets (
  tenant_id text NOT NULL
  rollout_id uuid NOT NULL
  device_id uuid NOT NULL
  rank uuid NOT NULL
  group_position smallint
  state text NOT NULL DEFAULT 'pending'::text
  because text
  admissible boolean NOT NULL
  attempt integer NOT NULL DEFAULT 0
  ready_at timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone
  admission integer
  installation_id uuid
  end_as text
  ended_at timestamp with time zone
  prior_sha256 text
  back_state text
  back_because text
  back_attempt integer NOT NULL DEFAULT 0
  back_ready_at timestamp with time zone NOT NULL DEFAULT '-infinity'::timestamp with time zone
  back_firmware_id uuid
  back_installation_id uuid
  unattempted boolean NOT NULL DEFAULT false
  refusal text
  CONSTRAINT rollout_targets_back_state_check CHECK ((back_state = ANY (ARRAY['pending'::text, 'queued'::text, 'inFlight'::text, 'done'::text, 'failed'::text])))
  CONSTRAINT rollout_targets_end_as_check CHECK ((end_as = ANY (ARRAY['canceled'::text, 'timedOut'::text])))
  CONSTRAINT rollout_targets_pkey PRIMARY KEY (tenant_id, rollout_id, device_id)
  CONSTRAINT rollout_targets_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'queued'::text, 'inFlight'::text, 'installed'::text, 'alreadyInstalled'::text, 'skipped'::text, 'failed'::text, 'rejected'::text, 'canceled'::text, 'timedOut'::text, 'superseded'::text])))
);
CREATE INDEX rollout_targets_admitted ON public.rollout_targets USING btree (tenant_id, rollout_id, group_position, admission) WHERE (admission IS NOT NULL);
CREATE INDEX rollout_targets_back_queued ON public.rollout_targets USING btree (tenant_id, rollout_id, device_id) WHERE (back_state = 'queued'::text);
CREATE INDEX rollout_targets_back_ready ON public.rollout_targets USING btree (tenant_id, rollout_id, group_position, back_ready_at, rank) WHERE ((back_state = 'pending'::text) AND admissible);
CREATE INDEX rollout_targets_back_waiting ON public.rollout_targets USING btree (tenant_id, rollout_id, group_position, back_ready_at) WHERE (back_state = 'pending'::text);
CREATE INDEX rollout_targets_backing_off ON public.rollout_targets USING btree (tenant_id, rollout_id, group_position, ready_at) WHERE ((state = 'pending'::text) AND (ready_at > '-infinity'::timestamp with time zone));
CREATE INDEX rollout_targets_by_state ON public.rollout_targets USING btree (tenant_id, rollout_id, state, rank);
CREATE INDEX rollout_targets_in_order ON public.rollout_targets USING btree (tenant_id, rollout_id, rank);
CREATE INDEX rollout_targets_of_device ON public.rollout_targets USING btree (tenant_id, device_id);
CREATE INDEX rollout_targets_of_group ON public.rollout_targets USING btree (tenant_id, rollout_id, group_position, rank);
CREATE INDEX rollout_targets_open ON public.rollout_targets USING btree (tenant_id, rollout_id) WHERE (state = ANY (ARRAY['queued'::text, 'inFlight'::text]));
CREATE INDEX rollout_targets_ready ON public.rollout_targets USING btree (tenant_id, rollout_id, group_position, ready_at, rank) WHERE ((state = 'pending'::text) AND admissible);
CREATE INDEX rollout_targets_to_roll_back ON public.rollout_targets USING btree (tenant_id, rollout_id) WHERE ((state = 'installed'::text) AND (back_state IS NULL));
CREATE INDEX rollout_targets_unended_of_device ON public.rollout_targets USING btree (tenant_id, device_id) WHERE (ended_at IS NULL);
CREATE INDEX rollout_targets_ungrouped ON public.rollout_targets USING btree (tenant_id, rollout_id, rank) WHERE (group_position IS NULL);
CREATE INDEX rollout_targets_unreached ON public.rollout_targets USING btree (tenant_id, rollout_id, group_position) WHERE ((state = 'pending'::text) AND (NOT admissible));
POLICY all_tenants ON rollout_targets TO slipway_worker USING true
POLICY one_tenant ON rollout_targets TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE rollout_templates (
  tenant_id text NOT NULL
  id uuid NOT NULL
  plan jsonb NOT NULL
  created_by text NOT NULL
  created_at timestamp with time zone NOT NULL
  CONSTRAINT rollout_templates_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT rollout_templates_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
CREATE INDEX rollout_templates_in_order_of_names ON public.rollout_templates USING btree (tenant_id, ((plan ->> 'name'::text)) COLLATE "C", id);
CREATE INDEX rollout_templates_newest ON public.rollout_templates USING btree (tenant_id, created_at DESC, id DESC);
POLICY all_tenants ON rollout_templates TO slipway_worker USING true
POLICY one_tenant ON rollout_templates TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE rollouts (
  tenant_id text NOT NULL
  id uuid NOT NULL
  name text NOT NULL
  plan jsonb NOT NULL
  defaulted jsonb NOT NULL DEFAULT '[]'::jsonb
  version integer NOT NULL DEFAULT 1
  phase text NOT NULL
  waiting_on text
  due_at timestamp with time zone
  created_by text NOT NULL
  created_at timestamp with time zone NOT NULL
  updated_at timestamp with time zone NOT NULL
  device_ids uuid[] NOT NULL DEFAULT '{}'::uuid[]
  collected_to uuid
  collected_at timestamp with time zone
  target_count integer
  forming smallint NOT NULL DEFAULT 0
  materialised_at timestamp with time zone
  start_requested_at timestamp with time zone
  started_at timestamp with time zone
  approvals jsonb NOT NULL DEFAULT '[]'::jsonb
  pauses jsonb NOT NULL DEFAULT '[]'::jsonb
  fired jsonb NOT NULL DEFAULT '[]'::jsonb
  aborted jsonb
  rolling_back jsonb
  swept_at timestamp with time zone
  swept_to uuid
  ended_at timestamp with time zone
  finished_at timestamp with time zone
  closed_at timestamp with time zone
  process_started_at timestamp with time zone
  template_id uuid
  from_template jsonb NOT NULL DEFAULT '{}'::jsonb
  device_ms double precision
  eta timestamp with time zone
  admissible_to uuid
  acts_at timestamp with time zone
  loosened jsonb
  works jsonb NOT NULL DEFAULT '[]'::jsonb
  sweep_part text NOT NULL DEFAULT 'join'::text
  CONSTRAINT rollouts_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT rollouts_sweep_part_check CHECK ((sweep_part = ANY (ARRAY['join'::text, 'rejoin'::text, 'leave'::text])))
  CONSTRAINT rollouts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
CREATE INDEX rollouts_by_phase ON public.rollouts USING btree (tenant_id, phase, created_at DESC, id DESC);
CREATE INDEX rollouts_dynamic ON public.rollouts USING btree (tenant_id) WHERE ((finished_at IS NULL) AND (closed_at IS NULL) AND (((plan -> 'targets'::text) ->> 'dynamic'::text))::boolean);
CREATE INDEX rollouts_in_order_of_names ON public.rollouts USING btree (tenant_id, name COLLATE "C", id);
CREATE INDEX rollouts_newest ON public.rollouts USING btree (tenant_id, created_at DESC, id DESC);
CREATE INDEX rollouts_overdue ON public.rollouts USING btree (due_at) WHERE ((finished_at IS NULL) AND (closed_at IS NULL));
POLICY all_tenants ON rollouts TO slipway_worker USING true
POLICY one_tenant ON rollouts TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE schema_needs (
  migration text NOT NULL
  least text NOT NULL
  because text NOT NULL
  CONSTRAINT schema_needs_pkey PRIMARY KEY (migration)
);
GRANT SELECT TO slipway_api
GRANT SELECT TO slipway_worker

CREATE TABLE service_keys (
  name text NOT NULL
  value bytea NOT NULL
  CONSTRAINT service_keys_pkey PRIMARY KEY (name)
);
GRANT SELECT TO slipway_worker

CREATE TABLE tenants (
  id text NOT NULL
  created_at timestamp with time zone NOT NULL DEFAULT now()
  name text
  state text NOT NULL DEFAULT 'active'::text
  quotas jsonb NOT NULL DEFAULT '{}'::jsonb
  created_by text NOT NULL DEFAULT 'service'::text
  CONSTRAINT tenants_id_check CHECK ((id ~ '^[A-Za-z0-9_.-]{1,64}$'::text))
  CONSTRAINT tenants_pkey PRIMARY KEY (id)
  CONSTRAINT tenants_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text, 'removing'::text])))
);
CREATE INDEX tenants_by_upper ON public.tenants USING btree (upper(id));
GRANT SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE webhook_deliveries (
  tenant_id text NOT NULL
  id uuid NOT NULL
  webhook_id uuid NOT NULL
  number bigint NOT NULL
  event text NOT NULL
  state text NOT NULL DEFAULT 'pending'::text
  attempts integer NOT NULL DEFAULT 0
  due_at timestamp with time zone NOT NULL
  first_attempt_at timestamp with time zone
  last_attempt_at timestamp with time zone
  last_status integer
  last_error text
  ended_at timestamp with time zone
  redelivery_of uuid
  created_at timestamp with time zone NOT NULL
  CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text])))
);
CREATE INDEX webhook_deliveries_due ON public.webhook_deliveries USING btree (tenant_id, webhook_id, due_at, number) WHERE (state = 'pending'::text);
CREATE INDEX webhook_deliveries_ended ON public.webhook_deliveries USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX webhook_deliveries_newest ON public.webhook_deliveries USING btree (tenant_id, webhook_id, created_at DESC, id DESC);
POLICY all_tenants ON webhook_deliveries TO slipway_worker USING true
POLICY one_tenant ON webhook_deliveries TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE webhook_leftovers (
  tenant_id text NOT NULL
  webhook_id uuid NOT NULL
  CONSTRAINT webhook_leftovers_pkey PRIMARY KEY (tenant_id, webhook_id)
  CONSTRAINT webhook_leftovers_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
POLICY all_tenants ON webhook_leftovers TO slipway_worker USING true
POLICY one_tenant ON webhook_leftovers TO slipway_api USING (tenant_id = current_tenant())
GRANT INSERT, SELECT TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker

CREATE TABLE webhooks (
  tenant_id text NOT NULL
  id uuid NOT NULL
  url text NOT NULL
  events text[] NOT NULL DEFAULT '{}'::text[]
  description text
  secret text NOT NULL
  position bigint NOT NULL
  failures integer NOT NULL DEFAULT 0
  failing_since timestamp with time zone
  quiet_until timestamp with time zone
  disabled_at timestamp with time zone
  disabled_because text
  created_by text NOT NULL
  created_at timestamp with time zone NOT NULL
  updated_at timestamp with time zone NOT NULL
  CONSTRAINT webhooks_pkey PRIMARY KEY (tenant_id, id)
  CONSTRAINT webhooks_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants(id)
);
POLICY all_tenants ON webhooks TO slipway_worker USING true
POLICY one_tenant ON webhooks TO slipway_api USING (tenant_id = current_tenant())
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_api
GRANT DELETE, INSERT, SELECT, UPDATE TO slipway_worker
