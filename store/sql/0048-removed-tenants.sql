-- A tenant that is being removed takes its firmwares and its whole history with it; no other does.
CREATE FUNCTION is_removing(of_tenant text) RETURNS boolean LANGUAGE sql STABLE AS
  $$ SELECT EXISTS (SELECT FROM tenants WHERE id = of_tenant AND state = 'removing') $$;
GRANT DELETE ON firmwares, history_tiles, history_dropped TO slipway_worker;
CREATE POLICY of_removed ON firmwares AS RESTRICTIVE FOR DELETE TO slipway_worker USING (is_removing(tenant_id));
CREATE POLICY of_removed ON history_tiles AS RESTRICTIVE FOR DELETE TO slipway_worker USING (is_removing(tenant_id));
CREATE POLICY of_removed ON history_dropped AS RESTRICTIVE FOR DELETE TO slipway_worker USING (is_removing(tenant_id));
ALTER POLICY may_go ON history USING (is_removing(tenant_id) OR (number IS NOT NULL AND event <> 'audit'
  AND number <= (SELECT d.number FROM history_dropped d WHERE d.tenant_id = history.tenant_id)));
