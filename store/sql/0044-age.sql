-- Up to which number entries of a tenant's history may be gone, because they are older than its retention, and the chain's
-- hash there, from which what is left goes on. Their leaves stay in history_tiles (docs/decisions/0014-age.md).
CREATE TABLE history_dropped (
  tenant_id text PRIMARY KEY REFERENCES tenants,
  number    bigint NOT NULL CHECK (number > 0),
  hash      bytea NOT NULL CHECK (length(hash) = 32)
);
ALTER TABLE history_dropped ENABLE ROW LEVEL SECURITY;
ALTER TABLE history_dropped FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON history_dropped TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY all_tenants ON history_dropped TO slipway_worker USING (true) WITH CHECK (true);
GRANT SELECT ON history_dropped TO slipway_api;
GRANT SELECT, INSERT, UPDATE ON history_dropped TO slipway_worker;

-- Append only, also for a mistake in the code: an entry goes only where that was noted, and never what people did, which
-- has a retention of its own; an installation goes only once it has ended.
GRANT DELETE ON history, installations TO slipway_worker;
CREATE POLICY may_go ON history AS RESTRICTIVE FOR DELETE TO slipway_worker USING (number IS NOT NULL AND event <> 'audit'
  AND number <= (SELECT d.number FROM history_dropped d WHERE d.tenant_id = history.tenant_id));
CREATE POLICY has_ended ON installations AS RESTRICTIVE FOR DELETE TO slipway_worker USING (ended_at IS NOT NULL);

-- Numbers have gaps now: where there is no entry of a number, the next one says on which side the time lies.
CREATE OR REPLACE FUNCTION history_number_before(of_tenant text, moment timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  low bigint := 0;
  high bigint := (SELECT max(number) FROM history WHERE tenant_id = of_tenant);
  middle bigint;
  found record;
BEGIN
  high := coalesce(high, 0);
  WHILE low < high LOOP
    middle := (low + high + 1) / 2;
    SELECT h.number, h.at < moment AS is_before INTO found FROM history h
      WHERE h.tenant_id = of_tenant AND h.number >= middle ORDER BY h.number LIMIT 1;
    IF found.is_before THEN
      low := found.number;
    ELSE
      high := middle - 1;
    END IF;
  END LOOP;
  RETURN low;
END $$;
