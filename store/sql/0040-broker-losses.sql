-- When the broker last lost what it knew, and with it the connections of all devices; one row. A bridge that takes over finds a session at the
-- broker, and would not know. All devices are asked for a hello after it, page by page: asked_* is the last of those that were.
CREATE TABLE broker_losses (
  one           boolean     PRIMARY KEY DEFAULT true CHECK (one),
  lost_at       timestamptz NOT NULL,
  asked_tenant  text        NOT NULL,
  asked_device  uuid        NOT NULL,
  are_all_asked boolean     NOT NULL DEFAULT false
);
GRANT SELECT, INSERT, UPDATE ON broker_losses TO slipway_worker;
