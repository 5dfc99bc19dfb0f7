-- Bytes that may not be needed any more: marked with what made them so, and removed from the blob store later, outside of
-- any transaction and only if no firmware refers to them at that moment. While `removal` is set they may vanish at any
-- moment: nothing is attached to them.
CREATE TABLE removable_contents (
  sha256         text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  marked_at      timestamptz NOT NULL DEFAULT now(),
  removal        uuid,
  removing_since timestamptz
);
GRANT SELECT, INSERT ON removable_contents TO slipway_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON removable_contents TO slipway_worker;
