-- Two EXISTS joined by OR are hashed where PostgreSQL expects many rows, and of a recursive query it always does: each call read every credential of the
-- tenant (measured: 3.7 ms a call at 5,000 devices, growing with the fleet; 0.2 ms by index). A LIMIT keeps each look an index scan.
CREATE OR REPLACE FUNCTION device_reachable(of_tenant text, of_device uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  WITH RECURSIVE chain(node, next, online, depth) AS (
    SELECT d.id, d.connected_by, d.online, 0 FROM devices d WHERE d.tenant_id = of_tenant AND d.id = of_device
    UNION ALL
    SELECT d.id, d.connected_by, d.online, c.depth + 1 FROM chain c JOIN devices d ON d.tenant_id = of_tenant AND d.id = c.next WHERE c.depth < 16)
  SELECT coalesce((
    SELECT c.online AND (c.depth = 0 OR (SELECT d.reachable IS NOT FALSE FROM devices d WHERE d.tenant_id = of_tenant AND d.id = of_device))
    FROM chain c
    WHERE (SELECT true FROM device_credentials x WHERE x.tenant_id = of_tenant AND x.device_id = c.node AND x.revoked_at IS NULL LIMIT 1)
       OR (SELECT true FROM device_certificates x WHERE x.tenant_id = of_tenant AND x.device_id = c.node AND x.status = 'valid' LIMIT 1)
    ORDER BY c.depth LIMIT 1), false)
$$;
