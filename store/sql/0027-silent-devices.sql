-- Since when a device counts as offline because nothing was heard from it: its return is told of as well.
ALTER TABLE devices ADD COLUMN silent_since timestamptz;
-- Devices that are online and were heard longest ago, by the hour (0009): each is asked for a hello before it counts as offline.
CREATE INDEX devices_online_by_hour ON devices (last_seen_hour NULLS FIRST) WHERE online;
-- The shortest interval that is in use says how far back the look must go.
CREATE INDEX devices_by_interval ON devices (communication_interval) WHERE communication_interval > 0;
