-- Lists are sorted by a name, too, in the order of bytes, which is the same in every database; the row comparison of a
-- cursor is leakproof so, and stays with the index behind row-level security.
CREATE INDEX devices_in_order_of_names ON devices (tenant_id, name COLLATE "C", id);
CREATE INDEX firmwares_in_order_of_names ON firmwares (tenant_id, name COLLATE "C", id) WHERE state <> 'retired';
CREATE INDEX device_types_in_order_of_names ON device_types (tenant_id, name COLLATE "C", id);
CREATE INDEX rollouts_in_order_of_names ON rollouts (tenant_id, name COLLATE "C", id);
CREATE INDEX rollout_templates_in_order_of_names ON rollout_templates (tenant_id, ((plan->>'name') COLLATE "C"), id);

-- Device types by name; firmwares by name, version and content.
CREATE INDEX device_types_by_name ON device_types (tenant_id, name text_pattern_ops);
CREATE INDEX firmwares_by_name ON firmwares (tenant_id, name text_pattern_ops) WHERE state <> 'retired';
CREATE INDEX firmwares_by_version ON firmwares (tenant_id, version text_pattern_ops) WHERE state <> 'retired';
CREATE INDEX firmwares_by_sha256 ON firmwares (tenant_id, sha256) WHERE state <> 'retired';

-- Installations of a firmware, and by their end. What has not ended comes after all that has: a CASE, because PostgreSQL
-- takes COALESCE for something that may leak.
CREATE INDEX installations_of_firmware ON installations (tenant_id, firmware_id, requested_at DESC, id DESC);
CREATE INDEX installations_by_end ON installations
  (tenant_id, (CASE WHEN ended_at IS NULL THEN 'infinity'::timestamptz ELSE ended_at END), id);

-- The history by event and by who did it. A column, because ->> may leak; only what is sealed is in these indexes, so
-- that each entry is written into them once.
ALTER TABLE history ADD COLUMN by_whom text GENERATED ALWAYS AS (data->>'by') STORED;
CREATE INDEX history_by_event ON history (tenant_id, event, number) WHERE number IS NOT NULL;
CREATE INDEX history_by_whom ON history (tenant_id, by_whom, number) WHERE number IS NOT NULL AND by_whom IS NOT NULL;

-- The highest number of a tenant's history whose entry happened before a time, 0 where there is none. Numbers have no
-- gap and grow with the time, but for some seconds of disorder: so it halves its way there, some 25 looks into the
-- index of numbers, and no index on the time has to be written with each entry.
CREATE FUNCTION history_number_before(of_tenant text, moment timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  low bigint := 0;
  high bigint := (SELECT max(number) FROM history WHERE tenant_id = of_tenant);
  middle bigint;
BEGIN
  high := coalesce(high, 0);
  WHILE low < high LOOP
    middle := (low + high + 1) / 2;
    IF (SELECT h.at < moment FROM history h WHERE h.tenant_id = of_tenant AND h.number = middle) THEN
      low := middle;
    ELSE
      high := middle - 1;
    END IF;
  END LOOP;
  RETURN low;
END $$;
