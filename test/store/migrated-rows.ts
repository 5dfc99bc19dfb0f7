/**
 * Rows of each kind that a migration changes, as the schema of 0008 has them: in SQL, because that version's code is
 * gone. One device was rejected at its admission, one waits for its retry, two are on their way back.
 */
export const ROWS_OF_0008 = `
INSERT INTO tenants (id) VALUES ('acme');
INSERT INTO device_types (tenant_id, id, name, slots) VALUES ('acme', '00000000-0000-4000-8000-000000000001', 'switch', '{"firmware": {"name": "F"}}');
INSERT INTO firmwares (tenant_id, id, name, version, state, size, sha256, created_by)
  VALUES ('acme', '00000000-0000-4000-8000-000000000002', 'f', '1.0.0', 'ready', 4, repeat('a', 64), 'test');
INSERT INTO devices (tenant_id, id, device_type_id, name, tags, boot_id, last_seen_at)
  SELECT 'acme', ('00000000-0000-4000-8000-00000000001' || n)::uuid, '00000000-0000-4000-8000-000000000001', 'd', ARRAY['north'], 'b' || n, '2026-01-01T00:00:00Z'
  FROM generate_series(1, 4) AS n;
INSERT INTO device_slots (tenant_id, device_id, slot, version, reported_at) SELECT 'acme', id, 'firmware', '0.9.0', '2026-01-01T00:00:00Z' FROM devices WHERE tenant_id = 'acme';
INSERT INTO published_documents (tenant_id, device_id, slot, node, revision) SELECT 'acme', id, 'firmware', CASE WHEN id::text LIKE '%12' THEN '00000000-0000-4000-8000-000000000011' ELSE id::text END, 1 FROM devices WHERE tenant_id = 'acme';
INSERT INTO device_certificates (tenant_id, id, device_id, cert, fingerprint, status)
  VALUES ('acme', gen_random_uuid(), '00000000-0000-4000-8000-000000000011', 'x', repeat('c', 64), 'valid');
INSERT INTO rollouts (tenant_id, id, name, plan, phase, created_by, created_at, updated_at, started_at)
  VALUES ('acme', '00000000-0000-4000-8000-000000000003', 'r', '{}', 'running', 'test', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z');
INSERT INTO rollout_groups (tenant_id, rollout_id, position, name, size, rejected, prefix_ended, back_in_flight)
  VALUES ('acme', '00000000-0000-4000-8000-000000000003', 0, 'all', 4, 1, 3, 2);
INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, policy, sha256, requested_at, requested_by, state_since, rollout_id)
  VALUES ('acme', '00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000013', '00000000-0000-4000-8000-000000000002', 'firmware', 'queued', '{}',
    repeat('a', 64), '2026-01-01T00:00:00Z', 'rollout', '2026-01-01T00:00:00Z', '00000000-0000-4000-8000-000000000003');
INSERT INTO rollout_targets (tenant_id, rollout_id, device_id, rank, group_position, state, admissible, installation_id, back_state, back_installation_id) VALUES
  ('acme', '00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000011', gen_random_uuid(), 0, 'rejected', true, NULL, NULL, NULL),
  ('acme', '00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000012', gen_random_uuid(), 0, 'pending', true, gen_random_uuid(), NULL, NULL),
  ('acme', '00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000013', gen_random_uuid(), 0, 'installed', true, NULL, 'inFlight', '00000000-0000-4000-8000-000000000004'),
  ('acme', '00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000014', gen_random_uuid(), 0, 'installed', true, NULL, 'pending', gen_random_uuid());
DELETE FROM outbox;
`;

/** A webhook of the time when any word was taken for the name of an event. */
export const ROWS_OF_0019 = `
INSERT INTO webhooks (tenant_id, id, url, events, secret, position, created_by, created_at, updated_at)
  VALUES ('acme', gen_random_uuid(), 'https://a.example', ARRAY['gate_failed'], '\\x00', 0, 'test', now(), now());
`;

/** What the migrations make of them, asked in one row. */
export const AS_MIGRATED = {
  query: `SELECT
    (SELECT count(*) FROM device_terms WHERE tenant_id = 'acme' AND field = 'tag') AS tags,
    (SELECT string_agg(boots->0->>'id', ' ' ORDER BY id) FROM devices WHERE tenant_id = 'acme') AS boots,
    (SELECT string_agg(DISTINCT reported_by, ' ') FROM device_slots WHERE tenant_id = 'acme' AND device_id::text LIKE '%11') AS said,
    (SELECT count(*) FROM rollout_targets WHERE tenant_id = 'acme' AND unattempted) AS unattempted,
    (SELECT concat_ws(' ', unattempted_rejected, prefix_to, back_queued, back_in_flight, moved_at IS NOT NULL) FROM rollout_groups WHERE tenant_id = 'acme') AS "group",
    (SELECT place FROM installations WHERE tenant_id = 'acme') AS place,
    (SELECT count(*) FROM rollout_targets WHERE tenant_id = 'acme' AND (ready_at > '-infinity' OR back_ready_at > '-infinity')) AS "behind",
    (SELECT back_state FROM rollout_targets WHERE tenant_id = 'acme' AND device_id::text LIKE '%13') AS back,
    (SELECT events::text FROM webhooks WHERE tenant_id = 'acme') AS events,
    (SELECT count(*) FROM outbox WHERE tenant_id = 'acme' AND receiver = 'document') AS documents`,
  row: {
    tags: '4',
    boots: 'b1 b2 b3 b4',
    said: 'device:00000000-0000-4000-8000-000000000011',
    unattempted: '1',
    group: '1 3 1 1 t',
    place: 'none',
    behind: '2',
    back: 'queued',
    events: '{fail_group}',
    documents: '2',
  },
};
