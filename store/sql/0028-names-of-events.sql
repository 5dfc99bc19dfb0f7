-- Webhooks asked for events by names that the history never had: older documents spelled them so, and any word was taken. Each gets the name that the history
-- has (domain/webhook/event-names.ts, as of this migration); what names nothing is dropped, and a webhook that asked for nothing else is disabled: without
-- names it would be told all.
SET LOCAL ROLE slipway_worker;
WITH spelled(old, name) AS (VALUES
  ('gate_failed', 'fail_group'), ('group_failed', 'fail_group'), ('gate_inconclusive', 'fail_group'), ('gate_passed', 'pass_group'), ('group_passed', 'pass_group'),
  ('group_opened', 'open_group'), ('group_started', 'open_group'), ('finished', 'finish'), ('started', 'start'), ('paused', 'pause'), ('resumed', 'resume'),
  ('aborted', 'abort'), ('rolledback', 'rolled_back'), ('rolling_back', 'rollback'), ('roll_back', 'rollback'), ('retried', 'retry'), ('skipped', 'skip'),
  ('approved', 'approve'), ('approval_requested', 'ask_approval'), ('awaiting_approval', 'ask_approval'), ('amend', 'amended'), ('soaking', 'soak'), ('soaked', 'soak'),
  ('rule_fired', 'fire_rule'), ('stop_rule_fired', 'fire_rule'), ('failure_budget', 'fire_rule'), ('begun', 'begin'), ('admitted', 'admit'), ('swept', 'sweep'),
  ('closed', 'close'), ('ended', 'end'), ('cancelled', 'canceled'), ('timedout', 'timed_out'), ('completed', 'installed'), ('succeeded', 'installed')),
known(name) AS (SELECT unnest(ARRAY[
  'requested', 'scheduled', 'queued', 'delivered', 'accepted', 'deferred', 'downloading', 'downloaded', 'installing', 'rebooting', 'confirming', 'installed',
  'failed', 'rejected', 'canceled', 'timed_out', 'superseded', 'turn', 'released', 'renumbered', 'hello_asked', 'cancel_requested', 'cancel_refused',
  'slot', 'offline', 'online', 'created', 'amended', 'start', 'pause', 'resume', 'abort', 'rollback', 'retry', 'skip', 'approve', 'reject', 'begin', 'fire_rule',
  'open_group', 'conclude_held', 'soak', 'ask_approval', 'pass_group', 'fail_group', 'admit', 'end', 'end_pending', 'stop_open', 'sweep', 'prepare_back',
  'admit_back', 'give_up_back', 'rolled_back', 'finish', 'close', 'deleted', 'give_places', 'stop_back'])),
named AS (
  SELECT w.tenant_id, w.id, w.events AS asked, coalesce((SELECT array_agg(n.name ORDER BY n.first) FROM (
    SELECT k.name, min(e.nth) AS first FROM unnest(w.events) WITH ORDINALITY AS e(event, nth)
    LEFT JOIN spelled s ON s.old = lower(e.event)
    JOIN known k ON k.name = e.event OR (k.name = s.name AND NOT EXISTS (SELECT FROM known x WHERE x.name = e.event))
    GROUP BY k.name) AS n), '{}') AS events
  FROM webhooks w WHERE w.events <> '{}')
UPDATE webhooks w SET events = n.events, updated_at = now(),
  disabled_at = CASE WHEN n.events = '{}' THEN coalesce(w.disabled_at, now()) ELSE w.disabled_at END,
  disabled_because = CASE WHEN n.events = '{}' THEN 'it asked only for events that do not exist: ' || array_to_string(n.asked, ', ')
    || '; name others, or none for all, and enable it again' ELSE w.disabled_because END
FROM named n WHERE w.tenant_id = n.tenant_id AND w.id = n.id AND w.events <> n.events;
RESET ROLE;
