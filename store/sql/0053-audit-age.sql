-- What people did may have a retention, too: up to which time entries of the audit may go. Older versions go on: they let
-- none of them go.
ALTER TABLE history_dropped ADD COLUMN acts_before timestamptz;
ALTER POLICY may_go ON history USING (is_removing(tenant_id) OR (number IS NOT NULL AND EXISTS (
  SELECT FROM history_dropped d WHERE d.tenant_id = history.tenant_id AND history.number <= d.number
    AND (history.event <> 'audit' OR history.at < d.acts_before))));
