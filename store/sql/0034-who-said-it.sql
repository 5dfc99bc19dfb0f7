-- Who said what a slot holds: a device, its gateway or a person. null = nobody has; a row may be there for its revision alone, and `reported_at` was then
-- the time of an offer.
ALTER TABLE device_slots ADD COLUMN reported_by text;
SET LOCAL ROLE slipway_worker;
UPDATE device_slots s SET reported_by = coalesce(
  (SELECT h.data->>'by' FROM history h WHERE h.tenant_id = s.tenant_id AND h.device_id = s.device_id AND h.event = 'slot' AND h.data->>'slot' = s.slot
    ORDER BY h.entry DESC LIMIT 1),
  CASE WHEN s.sha256 IS NOT NULL OR s.version IS NOT NULL OR d.hello_at IS NOT NULL THEN 'device:' || s.device_id END)
FROM devices d WHERE d.tenant_id = s.tenant_id AND d.id = s.device_id;
UPDATE device_slots SET reported_at = NULL WHERE reported_by IS NULL;
RESET ROLE;
