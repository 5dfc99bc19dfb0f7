-- No broker lets a certificate in yet. A certificate that counted as a credential diverted the documents of a gateway's child to a node of
-- its own, where nothing is connected. When brokers admit certificates, those that are pinned and proven count.
CREATE OR REPLACE FUNCTION device_reachable(of_tenant text, of_device uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  WITH RECURSIVE chain(node, next, online, depth) AS (
    SELECT d.id, d.connected_by, d.online, 0 FROM devices d WHERE d.tenant_id = of_tenant AND d.id = of_device
    UNION ALL
    SELECT d.id, d.connected_by, d.online, c.depth + 1 FROM chain c JOIN devices d ON d.tenant_id = of_tenant AND d.id = c.next WHERE c.depth < 16)
  SELECT coalesce((
    SELECT c.online AND (c.depth = 0 OR (SELECT d.reachable IS NOT FALSE FROM devices d WHERE d.tenant_id = of_tenant AND d.id = of_device))
    FROM chain c
    WHERE (SELECT true FROM device_credentials x WHERE x.tenant_id = of_tenant AND x.device_id = c.node AND x.revoked_at IS NULL LIMIT 1)
    ORDER BY c.depth LIMIT 1), false)
$$;
-- What a certificate diverted, of its device and of those behind it: their documents are published again, under the node that is connected.
SET LOCAL ROLE slipway_worker;
INSERT INTO outbox (receiver, tenant_id, subject, detail)
  SELECT DISTINCT 'document', p.tenant_id, p.device_id, p.slot FROM published_documents p
    JOIN device_certificates x ON x.tenant_id = p.tenant_id AND x.status = 'valid' AND p.node = x.device_id::text
  ON CONFLICT (receiver, tenant_id, subject, detail) DO UPDATE SET generation = outbox.generation + 1, due_at = least(outbox.due_at, now());
RESET ROLE;
