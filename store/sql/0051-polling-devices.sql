-- Until when a device that waits for its documents over HTTP counts as online; null where it does not wait.
ALTER TABLE devices ADD COLUMN polled_until timestamptz;
CREATE INDEX devices_polling ON devices (polled_until) WHERE polled_until IS NOT NULL;
