-- Devices that speak hawkBit's device interface (docs/contracts/hawkbit-ddi.md).
-- Older versions go on: everything is new or may be null, and the check of credentials becomes wider.
ALTER TABLE device_credentials DROP CONSTRAINT device_credentials_type_check;
ALTER TABLE device_credentials ADD CONSTRAINT device_credentials_type_check
  CHECK (type IN ('password', 'token', 'hawkbitToken', 'hawkbitGateway'));

-- Whether an installation on a device of the type waits until a person at the device agrees.
ALTER TABLE device_types ADD COLUMN confirmation text CHECK (confirmation = 'required');

-- hawkBit's clients compare SHA-1, some MD5. Null where the bytes were uploaded before: made at the first need.
ALTER TABLE firmwares ADD COLUMN sha1 text CHECK (sha1 ~ '^[0-9a-f]{40}$');
ALTER TABLE firmwares ADD COLUMN md5 text CHECK (md5 ~ '^[0-9a-f]{32}$');

-- Paths of the interface name a tenant in any case of letters.
CREATE INDEX tenants_by_upper ON tenants (upper(id));

-- One attempt of an installation is one action: clients keep its number in 32 bits, and do not install a number twice.
CREATE TABLE hawkbit_counters (
  tenant_id text PRIMARY KEY REFERENCES tenants,
  last      integer NOT NULL CHECK (last > 0)
);
CREATE TABLE hawkbit_actions (
  tenant_id       text NOT NULL,
  number          integer NOT NULL CHECK (number > 0),
  device_id       uuid NOT NULL,
  installation_id uuid NOT NULL,
  attempt         integer NOT NULL,
  PRIMARY KEY (tenant_id, number),
  UNIQUE (tenant_id, installation_id, attempt),
  FOREIGN KEY (tenant_id, installation_id) REFERENCES installations ON DELETE CASCADE
);
CREATE INDEX hawkbit_actions_of_device ON hawkbit_actions (tenant_id, device_id, number DESC);

-- What is known of a device in this interface only.
CREATE TABLE hawkbit_devices (
  tenant_id     text NOT NULL,
  device_id     uuid NOT NULL,
  configured_at timestamptz,                           -- of its attributes; null = it sent none
  auto_confirm  jsonb,                                 -- {activatedAt, initiator?, remark?}
  PRIMARY KEY (tenant_id, device_id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES devices ON DELETE CASCADE
);
-- What a tenant lets in besides devices with a token of their own.
CREATE TABLE hawkbit_settings (
  tenant_id       text PRIMARY KEY REFERENCES tenants,
  polling_seconds integer NOT NULL DEFAULT 300 CHECK (polling_seconds BETWEEN 1 AND 86399),
  gateway_hash    bytea,                               -- SHA-256 of the gateway token
  registers_as    uuid,                                -- the type of devices that appear
  authorities     text[] NOT NULL DEFAULT '{}',        -- hashes of issuers, in small letters
  FOREIGN KEY (tenant_id, registers_as) REFERENCES device_types (tenant_id, id) ON DELETE SET NULL (registers_as)
);
DO $$
DECLARE walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['hawkbit_counters', 'hawkbit_actions', 'hawkbit_devices', 'hawkbit_settings']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY one_tenant ON %I TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
    EXECUTE format('CREATE POLICY all_tenants ON %I TO slipway_worker USING (true) WITH CHECK (true)', walled);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO slipway_api, slipway_worker', walled);
  END LOOP;
END $$;
