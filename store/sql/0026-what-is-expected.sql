-- What its maker says that the blob of a firmware is: an upload of anything else is refused.
ALTER TABLE firmwares ADD COLUMN expected_sha256 text CHECK (expected_sha256 ~ '^[0-9a-f]{64}$');
ALTER TABLE firmwares ADD COLUMN expected_size bigint CHECK (expected_size > 0);

-- What a device calls its type in its hello, and by which name a person lets it do so although its type is called
-- otherwise.
ALTER TABLE devices ADD COLUMN said_type text;
ALTER TABLE devices ADD COLUMN reports_as text;
