-- Rollouts (docs/decisions/0004-rollouts.md): facts only. Phase and group states are derived by domain/rollout; `phase` is what they came to
-- when the row was written last, so that a list can be filtered by it.
CREATE TABLE rollouts (
  tenant_id          text NOT NULL REFERENCES tenants,
  id                 uuid NOT NULL,
  name               text NOT NULL,
  plan               jsonb NOT NULL,                  -- domain/rollout/plan.ts: every default filled in
  defaulted          jsonb NOT NULL DEFAULT '[]',     -- JSON pointers of what was filled in
  version            integer NOT NULL DEFAULT 1,      -- of the plan: each amendment is one more
  phase              text NOT NULL,
  waiting_on         text,
  due_at             timestamptz,                     -- when its process looks at the latest; null = only news moves it
  created_by         text NOT NULL,
  created_at         timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  device_ids         uuid[] NOT NULL DEFAULT '{}',    -- targets that are named; not in the plan, which each tick reads
  collected_to       uuid,                            -- the device after which the next page of targets begins; null = the first page
  collected_at       timestamptz,                     -- all targets are taken down
  target_count       integer,                         -- how many there are, once they are
  forming            smallint NOT NULL DEFAULT 0,     -- the group that takes its targets now
  materialised_at    timestamptz,                     -- each target is in its group
  start_requested_at timestamptz,
  started_at         timestamptz,
  approvals          jsonb NOT NULL DEFAULT '[]',     -- [{ by, at }]
  pauses             jsonb NOT NULL DEFAULT '[]',     -- [{ reason, since, because, group? }]
  fired              jsonb NOT NULL DEFAULT '[]',     -- keys of the stop rules that have acted
  aborted            jsonb,                           -- { at, because, cancelOpen }
  rolling_back       jsonb,                           -- { at, because }
  swept_at           timestamptz,                     -- dynamic: when the fleet was looked through last
  swept_to           uuid,                            -- the device after which the next page of that begins
  ended_at           timestamptz,                     -- the plan's end has come
  finished_at        timestamptz,
  closed_at          timestamptz,
  process_started_at timestamptz,                     -- written by the sender of the outbox only
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX rollouts_newest ON rollouts (tenant_id, created_at DESC, id DESC);
CREATE INDEX rollouts_by_phase ON rollouts (tenant_id, phase, created_at DESC, id DESC);
CREATE INDEX rollouts_overdue ON rollouts (due_at) WHERE finished_at IS NULL AND closed_at IS NULL;

-- What a plan installs: a firmware that a rollout refers to is not deleted under it.
CREATE TABLE rollout_firmwares (
  tenant_id   text NOT NULL,
  rollout_id  uuid NOT NULL,
  firmware_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, rollout_id, firmware_id),
  FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, firmware_id) REFERENCES firmwares
);
CREATE INDEX rollout_firmwares_of ON rollout_firmwares (tenant_id, firmware_id);

-- Counters are kept by whatever moves a target, once per batch; nothing ever counts over the fleet.
CREATE TABLE rollout_groups (
  tenant_id         text NOT NULL,
  rollout_id        uuid NOT NULL,
  position          smallint NOT NULL,
  name              text NOT NULL,
  size              integer NOT NULL DEFAULT 0,
  pending           integer NOT NULL DEFAULT 0,
  queued            integer NOT NULL DEFAULT 0,
  in_flight         integer NOT NULL DEFAULT 0,
  installed         integer NOT NULL DEFAULT 0,
  already_installed integer NOT NULL DEFAULT 0,
  failed            integer NOT NULL DEFAULT 0,
  rejected          integer NOT NULL DEFAULT 0,
  canceled          integer NOT NULL DEFAULT 0,
  timed_out         integer NOT NULL DEFAULT 0,
  superseded        integer NOT NULL DEFAULT 0,
  bytes             bigint NOT NULL DEFAULT 0,        -- of the content that was installed
  admissions        integer NOT NULL DEFAULT 0,       -- the number that the target admitted last bears
  prefix_ended      integer NOT NULL DEFAULT 0,       -- targets 1..prefix_ended, in the order of admission, have all ended
  prefix_failed     integer NOT NULL DEFAULT 0,
  back_pending      integer NOT NULL DEFAULT 0,       -- of a roll back: targets that are to get back what they held
  back_in_flight    integer NOT NULL DEFAULT 0,
  back_done         integer NOT NULL DEFAULT 0,
  back_failed       integer NOT NULL DEFAULT 0,       -- with those that cannot: nobody knows what they held, or it was deleted
  opened_at         timestamptz,
  soaking_since     timestamptz,
  asked_at          timestamptz,
  approvals         jsonb NOT NULL DEFAULT '[]',
  passed_at         timestamptz,
  failed_at         timestamptz,
  because           text,
  PRIMARY KEY (tenant_id, rollout_id, position),
  UNIQUE (tenant_id, rollout_id, name),
  FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts ON DELETE CASCADE
);

-- No foreign key to the device: what became of a target outlives it.
CREATE TABLE rollout_targets (
  tenant_id       text NOT NULL,
  rollout_id      uuid NOT NULL,
  device_id       uuid NOT NULL,
  rank            uuid NOT NULL,                      -- md5(rollout, device): random, reproducible, the same whenever devices were made
  group_position  smallint,                           -- null until the groups are formed
  state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'queued', 'inFlight', 'installed', 'alreadyInstalled', 'failed', 'rejected', 'canceled', 'timedOut', 'superseded')),
  because         text,
  admissible      boolean NOT NULL,                   -- its device can be reached, or the plan offers to those that are away
  attempt         integer NOT NULL DEFAULT 0,
  ready_at        timestamptz NOT NULL DEFAULT '-infinity', -- when its back-off ends
  admission       integer,                            -- its number in the order of admission within its group
  installation_id uuid,                               -- of its newest attempt
  end_as          text CHECK (end_as IN ('canceled', 'timedOut')), -- it was asked to stop
  ended_at        timestamptz,
  prior_sha256    text,                               -- what the slot held when its first attempt was admitted
  back_state      text CHECK (back_state IN ('pending', 'inFlight', 'done', 'failed')), -- null = it is not rolled back
  back_because    text,
  back_attempt    integer NOT NULL DEFAULT 0,
  back_ready_at   timestamptz NOT NULL DEFAULT '-infinity',
  back_firmware_id uuid,
  back_installation_id uuid,
  PRIMARY KEY (tenant_id, rollout_id, device_id),
  FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts ON DELETE CASCADE
);
CREATE INDEX rollout_targets_in_order ON rollout_targets (tenant_id, rollout_id, rank);
CREATE INDEX rollout_targets_ungrouped ON rollout_targets (tenant_id, rollout_id, rank) WHERE group_position IS NULL;
CREATE INDEX rollout_targets_of_group ON rollout_targets (tenant_id, rollout_id, group_position, rank);
CREATE INDEX rollout_targets_by_state ON rollout_targets (tenant_id, rollout_id, state, rank);
CREATE INDEX rollout_targets_ready ON rollout_targets (tenant_id, rollout_id, group_position, ready_at, rank) WHERE state = 'pending' AND admissible;
CREATE INDEX rollout_targets_backing_off ON rollout_targets (tenant_id, rollout_id, group_position, ready_at) WHERE state = 'pending' AND ready_at > '-infinity';
CREATE INDEX rollout_targets_open ON rollout_targets (tenant_id, rollout_id) WHERE state IN ('queued', 'inFlight');
CREATE INDEX rollout_targets_admitted ON rollout_targets (tenant_id, rollout_id, group_position, admission) WHERE admission IS NOT NULL;
CREATE INDEX rollout_targets_to_roll_back ON rollout_targets (tenant_id, rollout_id) WHERE state = 'installed' AND back_state IS NULL;
CREATE INDEX rollout_targets_back_ready ON rollout_targets (tenant_id, rollout_id, group_position, back_ready_at, rank) WHERE back_state = 'pending' AND admissible;
CREATE INDEX rollout_targets_back_waiting ON rollout_targets (tenant_id, rollout_id, group_position, back_ready_at) WHERE back_state = 'pending';
CREATE INDEX rollout_targets_of_device ON rollout_targets (tenant_id, device_id);
CREATE INDEX rollout_targets_unended_of_device ON rollout_targets (tenant_id, device_id) WHERE ended_at IS NULL;

-- Something changed that devices are found by: dynamic rollouts look through the fleet again. Apart from the rollout's row, whose lock a planner holds
-- while it waits for devices.
CREATE TABLE rollout_sweeps (
  tenant_id  text NOT NULL,
  rollout_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, rollout_id),
  FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts ON DELETE CASCADE
);
CREATE INDEX rollouts_dynamic ON rollouts (tenant_id) WHERE finished_at IS NULL AND closed_at IS NULL AND (plan->'targets'->>'dynamic')::boolean;

-- Starts of the last minutes: what the rate is held by, in the transaction that admits.
CREATE TABLE rollout_starts (
  tenant_id  text NOT NULL,
  rollout_id uuid NOT NULL,
  at         timestamptz NOT NULL,
  count      integer NOT NULL,
  FOREIGN KEY (tenant_id, rollout_id) REFERENCES rollouts ON DELETE CASCADE
);
CREATE INDEX rollout_starts_of ON rollout_starts (tenant_id, rollout_id, at);

CREATE INDEX history_of_rollout ON history (tenant_id, rollout_id, entry) WHERE rollout_id IS NOT NULL;

DO $$
DECLARE walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['rollouts', 'rollout_firmwares', 'rollout_groups', 'rollout_targets', 'rollout_starts', 'rollout_sweeps']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY one_tenant ON %I TO slipway_api USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
    EXECUTE format('CREATE POLICY all_tenants ON %I TO slipway_worker USING (true) WITH CHECK (true)', walled);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO slipway_api, slipway_worker', walled);
  END LOOP;
END $$;

-- Whether a device can be spoken to now, as store/fleet/gateways.ts answers for a batch: the nearest node of its chain that has a credential is connected,
-- and where that is a gateway, it has not said that it cannot reach the device.
CREATE FUNCTION device_reachable(of_tenant text, of_device uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  WITH RECURSIVE chain(node, next, online, depth) AS (
    SELECT d.id, d.connected_by, d.online, 0 FROM devices d WHERE d.tenant_id = of_tenant AND d.id = of_device
    UNION ALL
    SELECT d.id, d.connected_by, d.online, c.depth + 1 FROM chain c JOIN devices d ON d.tenant_id = of_tenant AND d.id = c.next WHERE c.depth < 16)
  SELECT coalesce((
    SELECT c.online AND (c.depth = 0 OR (SELECT d.reachable IS NOT FALSE FROM devices d WHERE d.tenant_id = of_tenant AND d.id = of_device))
    FROM chain c
    WHERE EXISTS (SELECT FROM device_credentials x WHERE x.tenant_id = of_tenant AND x.device_id = c.node AND x.revoked_at IS NULL)
       OR EXISTS (SELECT FROM device_certificates x WHERE x.tenant_id = of_tenant AND x.device_id = c.node AND x.status = 'valid')
    ORDER BY c.depth LIMIT 1), false)
$$;
