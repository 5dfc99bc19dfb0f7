-- Boots that a device told of, each with its first hello: a hello that ends an attempt tells of a boot after it.
ALTER TABLE devices ADD COLUMN boots jsonb NOT NULL DEFAULT '[]';
-- Row-level security holds for the owner, too: as the service, whose policy lets it see every tenant.
SET LOCAL ROLE slipway_worker;
UPDATE devices SET boots = jsonb_build_array(jsonb_build_object('id', boot_id, 'at', floor(extract(epoch FROM coalesce(hello_at, last_seen_at, now())) * 1000)))
  WHERE boot_id IS NOT NULL;
RESET ROLE;
-- back_at: a hello showed other content while the restart was awaited. doubt: `installed` came with another version.
ALTER TABLE installations ADD COLUMN back_at timestamptz, ADD COLUMN offered_at timestamptz, ADD COLUMN doubt jsonb;
