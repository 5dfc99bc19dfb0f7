-- Devices that speak HTTP send a token of their own, by whose hash they are found: each request of a device asks once.
-- Older versions go on: the check becomes wider, and a token that an older broker takes for a password is the same
-- device's own.
ALTER TABLE device_credentials DROP CONSTRAINT device_credentials_type_check;
ALTER TABLE device_credentials ADD CONSTRAINT device_credentials_type_check
  CHECK (type IN ('password', 'token'));
CREATE INDEX device_credentials_by_secret ON device_credentials (secret_hash) WHERE revoked_at IS NULL;
