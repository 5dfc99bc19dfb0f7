-- What the filter language looks up (store/fleet/filter.ts): an index for each field.
--
-- The API's role stands behind row-level security. There PostgreSQL takes an operator to an index only if it is leakproof: =, <, ~>=~ and ~<~ of text are,
-- while LIKE, && and @> are not. So trigram and GIN indexes would never be used: tags and attributes are rows here, a beginning is a range,
-- and what may stand anywhere (*x*) is looked for among the values of its own field only.

-- What devices can be found by, a row for each tag, each attribute and the site. Made from the device's row by triggers, whoever writes it, and
-- by nothing else; not in backups. Without a foreign key, because its rows come and go with the device's in any case.
CREATE TABLE device_terms (
  tenant_id text NOT NULL,
  device_id uuid NOT NULL,
  field     text NOT NULL,                            -- 'tag', 'site', 'attribute.<key>'
  value     text NOT NULL,
  PRIMARY KEY (tenant_id, device_id, field, value)
);
CREATE INDEX device_terms_by_value ON device_terms (tenant_id, field, value text_pattern_ops, device_id);

-- An attribute is a member of `custom` that is a text, a number or a boolean. Longer ones than 255 characters would not fit into an index with certainty.
-- A device's site is the attribute of that name, else its gateway.
CREATE FUNCTION terms_of(tags text[], custom jsonb, connected_by uuid) RETURNS TABLE (field text, value text) LANGUAGE sql IMMUTABLE AS $$
  WITH attributes AS (
    SELECT key, value #>> '{}' AS value FROM jsonb_each(CASE jsonb_typeof(custom) WHEN 'object' THEN custom ELSE '{}' END)
    WHERE jsonb_typeof(value) IN ('string', 'number', 'boolean') AND length(key) <= 255 AND length(value #>> '{}') <= 255)
  SELECT 'tag', tag FROM unnest(tags) AS tag
  UNION SELECT 'attribute.' || key, value FROM attributes
  UNION SELECT 'site', coalesce((SELECT value FROM attributes WHERE key = 'site' AND value <> ''), connected_by::text)
    WHERE connected_by IS NOT NULL OR EXISTS (SELECT FROM attributes WHERE key = 'site' AND value <> '')
$$;

CREATE FUNCTION file_device() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM device_terms WHERE tenant_id = OLD.tenant_id AND device_id = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO device_terms (tenant_id, device_id, field, value) SELECT NEW.tenant_id, NEW.id, t.field, t.value FROM terms_of(NEW.tags, NEW.custom, NEW.connected_by) AS t;
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER file_new AFTER INSERT OR DELETE ON devices FOR EACH ROW EXECUTE FUNCTION file_device();
CREATE TRIGGER file_changed AFTER UPDATE OF tags, custom, connected_by ON devices FOR EACH ROW
  WHEN ((OLD.tags, OLD.custom, OLD.connected_by) IS DISTINCT FROM (NEW.tags, NEW.custom, NEW.connected_by)) EXECUTE FUNCTION file_device();

ALTER TABLE device_terms ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_terms FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON device_terms TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON device_terms TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON device_terms TO slipway_api, slipway_worker;

SET LOCAL ROLE slipway_worker;
INSERT INTO device_terms (tenant_id, device_id, field, value) SELECT d.tenant_id, d.id, t.field, t.value FROM devices d, terms_of(d.tags, d.custom, d.connected_by) AS t;
RESET ROLE;

-- Nothing is looked up in the array any more.
DROP INDEX devices_by_tag;

-- By the hour: an index on the time itself would be written with every report, and each such update would be a new version of the row in every other
-- index too. The hour changes once an hour, and what it finds is compared exactly.
ALTER TABLE devices ADD COLUMN last_seen_hour timestamp GENERATED ALWAYS AS (date_trunc('hour', last_seen_at AT TIME ZONE 'UTC')) STORED;
CREATE INDEX devices_by_hour ON devices (tenant_id, last_seen_hour);
CREATE INDEX devices_online ON devices (tenant_id, online, created_at DESC, id DESC);

-- A text that sorts as versions do (domain/artifact/versions.ts, compareVersions); null where it is none that can be compared. Three numbers of nine digits,
-- then "~" for a release, or for each identifier of a pre-release "!0", the count of digits and the number, or "!1" and the word.
CREATE FUNCTION version_key(version text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  part text[] := regexp_match(btrim(version, E' \t\r\n'), '^v?([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?(?:-([0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]{1,100})?$');
  key text;
  one text;
BEGIN
  IF part IS NULL THEN RETURN NULL; END IF;
  key := lpad(part[1], 9, '0') || lpad(coalesce(part[2], '0'), 9, '0') || lpad(coalesce(part[3], '0'), 9, '0');
  IF part[4] IS NULL THEN RETURN key || '~'; END IF;
  FOREACH one IN ARRAY string_to_array(part[4], '.') LOOP
    key := key || CASE WHEN one ~ '^[0-9]+$' THEN '!0' || lpad(length(ltrim(one, '0'))::text, 3, '0') || ltrim(one, '0') ELSE '!1' || one END;
  END LOOP;
  RETURN key;
END $$;

ALTER TABLE device_slots ADD COLUMN version_key text COLLATE "C" GENERATED ALWAYS AS (version_key(version)) STORED;
CREATE INDEX device_slots_by_version ON device_slots (tenant_id, slot, version text_pattern_ops, device_id);
CREATE INDEX device_slots_by_version_key ON device_slots (tenant_id, slot, version_key, device_id);
