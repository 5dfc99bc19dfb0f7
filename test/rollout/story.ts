import { randomBytes, randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { createRolloutActivities, type Tick } from '../../activities/rollout.js';
import type { InstallationEvent } from '../../domain/installation/events.js';
import type { Command } from '../../domain/rollout/commands.js';
import { groupState } from '../../domain/rollout/phase.js';
import { newRollout, type NewRollout } from '../../protocol/http/rollout-plan.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import { createCredential } from '../../store/commands/credentials.js';
import { createDevice, updateDevice, type Device } from '../../store/commands/devices.js';
import type { Pool } from '../../store/db/pool.js';
import { record, type Report } from '../../store/record.js';
import { commandRollout } from '../../store/commands/rollout-commands.js';
import type { RolloutView, TargetView } from '../../store/rollouts/view.js';
import { createRollout, listTargets, readRollout } from '../../store/commands/rollouts.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { deleteAssociation, listAssociations } from '../../store/fleet/associations.js';
import { Facts } from '../support/facts.js';

const TENANT = 'default';
export const ONE_GROUP = [{ name: 'all' }];
/** R5: the counters of every group of the database are those of its targets. Fails where no rollout was made. */
export async function expectCountersOfTargets(pool: Pool): Promise<void> {
  const differing = await pool.query(
    `SELECT g.rollout_id, g.name, n.state FROM rollout_groups g
       CROSS JOIN LATERAL (VALUES ('pending', g.pending), ('queued', g.queued), ('inFlight', g.in_flight), ('installed', g.installed), ('alreadyInstalled', g.already_installed), ('failed', g.failed),
         ('rejected', g.rejected), ('canceled', g.canceled), ('timedOut', g.timed_out), ('superseded', g.superseded)) AS n(state, count)
       WHERE n.count <> (SELECT count(*) FROM rollout_targets t WHERE t.tenant_id = g.tenant_id AND t.rollout_id = g.rollout_id AND t.group_position = g.position AND t.state = n.state)`,
  );
  expect(differing.rows).toEqual([]);
  expect((await pool.query('SELECT count(*) FROM rollout_groups')).rows[0].count).not.toBe('0');
}

export const groupStates = async (story: Story) => (await story.now()).facts.groups.map(groupState);

/**
 * A rollout told as a story, on a real PostgreSQL, without an engine: `settles` is what its process does after a poke.
 * Devices are made as an operator makes them; what they report goes the single write path.
 */
export class Story {
  rolloutId = '';
  readonly devices: string[] = [];
  private readonly sessions = new Map<string, string>();

  private constructor(
    readonly pool: Pool,
    readonly facts: Facts,
    readonly firmware: string,
    /** What each device holds before. */ readonly earlier: string,
  ) {}

  static async given(pool: Pool, fleet: { online?: number; offline?: number; holding?: number }): Promise<Story> {
    const facts = await new Facts(pool).begin();
    const [content, old] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
    const story = new Story(pool, facts, await facts.firmware(content, '2.0.0'), await facts.firmware(old, '1.0.0'));
    for (let index = 0; index < (fleet.online ?? 0) + (fleet.offline ?? 0) + (fleet.holding ?? 0); index += 1) {
      const id = await facts.device();
      story.devices.push(id);
      const holds = index >= (fleet.online ?? 0) + (fleet.offline ?? 0);
      await story.hello(id, holds ? { version: '2.0.0', sha256: content } : { version: '1.0.0', sha256: old });
      if (index >= (fleet.online ?? 0) && !holds) await story.comesOnline(id, false);
    }
    return story;
  }

  /** A device that is made as an operator makes it. */
  async registers(tags: string[]): Promise<string> {
    const device = await asTenant(this.pool, TENANT, (tx) =>
      createDevice(tx, TENANT, { info: { name: 'late', deviceTypeId: this.facts.deviceTypeId, tags } }),
    );
    await asTenant(this.pool, TENANT, (tx) => createCredential(tx, TENANT, device.id));
    await this.comesOnline(device.id);
    return device.id;
  }

  /** It connects, and says what its slot holds; null = it does not know. */
  async hello(device: string, holds: { version: string | null; sha256: string | null }): Promise<void> {
    await this.comesOnline(device);
    const firmware = { ...holds, installationId: null, revision: 0, confirmed: true };
    const from = { kind: 'device' as const, node: device };
    await this.say([{ tenantId: TENANT, deviceId: device, from, kind: 'hello', hello: { slots: { firmware } } }]);
  }

  /** An operator gives a device other tags. */
  async retags(device: string, tags: string[]): Promise<void> {
    const change = ({ info: { name, deviceTypeId } }: Device) => ({ info: { name, deviceTypeId, tags } });
    await asTenant(this.pool, TENANT, (tx) => updateDevice(tx, TENANT, device, false, change));
  }

  /** An operator forbids the firmware in every slot of the type. */
  async disassociates(): Promise<void> {
    await asTenant(this.pool, TENANT, async (tx) => {
      for (const slotName of ['firmware', 'bootloader', 'configuration']) {
        const at = { deviceTypeId: this.facts.deviceTypeId, slotName };
        const { items } = await listAssociations(tx, TENANT, at, { page: 0, pageSize: 100 });
        for (const one of items.filter(({ firmwareId }) => firmwareId === this.firmware)) {
          await deleteAssociation(tx, TENANT, at, one.id);
        }
      }
    });
  }

  /** Or goes: what is said of a session counts only for the newest one. */
  async comesOnline(device: string, online = true): Promise<void> {
    const session = (online ? undefined : this.sessions.get(device)) ?? randomUUID();
    this.sessions.set(device, session);
    await this.say([
      { tenantId: TENANT, deviceId: device, from: { kind: 'device', node: device }, kind: 'presence', online, session },
    ]);
  }

  async creates(plan: Partial<NewRollout> | Record<string, unknown>, by = 'key:ann'): Promise<RolloutView> {
    const body = newRollout.parse({
      name: 'story',
      steps: [{ slot: 'firmware', firmwareId: this.firmware }],
      targets: { deviceIds: this.devices },
      ...plan,
    });
    const view = await asTenant(this.pool, TENANT, (tx) =>
      createRollout(tx, TENANT, { ...toPlan(body), createdBy: by }, Date.now()),
    );
    this.rolloutId = view.id;
    return view;
  }

  async starts(plan: Parameters<Story['creates']>[0]): Promise<void> {
    await this.creates(plan);
    await this.asks({ do: 'start' });
    await this.settles();
  }

  /** `mayApprove`: the person holds rollouts:approve. */
  asks(command: Command, by = 'key:ann', mayApprove = true): Promise<RolloutView> {
    const person = { id: by, mayApprove };
    return asTenant(this.pool, TENANT, (tx) => commandRollout(tx, TENANT, this.rolloutId, person, command, Date.now()));
  }

  /** The process looks until there is nothing to do. */
  async settles(): Promise<Tick> {
    const activities = createRolloutActivities({ pool: this.pool });
    for (;;) {
      const at = await activities.tick({ tenantId: TENANT, rolloutId: this.rolloutId });
      if (at.decision !== 'go_on') return at;
    }
  }

  async now(): Promise<RolloutView> {
    return (await asTenant(this.pool, TENANT, (tx) => readRollout(tx, TENANT, this.rolloutId)))!;
  }

  async targets(filter: Parameters<typeof listTargets>[3] = {}): Promise<TargetView[]> {
    return (
      await asTenant(this.pool, TENANT, (tx) => listTargets(tx, TENANT, this.rolloutId, filter, { pageSize: 1_000 }))
    ).items;
  }

  /** Of the installations that are in flight, the first `count` report how they ended; undefined = all. */
  async inFlight(count?: number): Promise<TargetView[]> {
    return (await this.targets({ state: ['inFlight'] })).slice(0, count);
  }

  /** Installations of the way back that are open. */
  async goingBack(): Promise<TargetView[]> {
    const list = await this.targets();
    return list
      .filter((one) => one.back?.state === 'inFlight' || one.back?.state === 'queued')
      .map((one) => ({ ...one, installationId: one.back!.installationId }));
  }

  async succeed(count?: number): Promise<void> {
    await this.report(await this.inFlight(count), { type: 'installed' });
  }

  /** The process of an installation asks for its turn. */
  async begins(deviceId: string, installationId: string): Promise<void> {
    const from = { kind: 'process' as const };
    await this.say([{ tenantId: TENANT, deviceId, from, kind: 'event', installationId, event: { type: 'begin' } }]);
  }

  /** It sends something that says nothing else. */
  async isHeard(deviceId: string): Promise<void> {
    await this.say([{ tenantId: TENANT, deviceId, from: { kind: 'device', node: deviceId }, kind: 'sign_of_life' }]);
  }

  /** Its connection ends or begins, nothing is heard of it for too long, or it says that its slot holds something else. */
  async isHeardOf(deviceId: string, what: number): Promise<void> {
    if (what === 0) return this.comesOnline(deviceId, false);
    if (what === 1) return this.comesOnline(deviceId);
    if (what === 2) {
      const [row] = await this.facts.sql<{ at: Date | null }>('SELECT last_seen_at AS at FROM devices WHERE id = $1', [
        deviceId,
      ]);
      const silence = { kind: 'silence', then: 'offline', heardAt: row?.at?.getTime() ?? null } as const;
      return this.say([{ tenantId: TENANT, deviceId, from: { kind: 'service' }, ...silence }]);
    }
    const version = [null, '1.5.0', '2.0.0-rc.1', 'nightly'][this.devices.indexOf(deviceId) % 4]!;
    return this.hello(deviceId, { version, sha256: version === null ? null : 'e'.repeat(64) });
  }

  /** Its offer was made, and passes its deadline. */
  async offerLapses({ deviceId, installationId }: TargetView): Promise<void> {
    await this.facts.sql(`UPDATE installations SET due_at = now() - interval '1 minute' WHERE id = $1`, [
      installationId,
    ]);
    const from = { kind: 'process' as const };
    await this.say([
      { tenantId: TENANT, deviceId, from, kind: 'event', installationId: installationId!, event: { type: 'deadline' } },
    ]);
  }

  /** The device restarts and is not heard any more: its deadline passes, and that of the hello that is asked for. */
  async timesOut(target: TargetView): Promise<void> {
    const { deviceId, installationId } = target;
    await this.report([target], { type: 'rebooting', attempt: 1, seq: 1 });
    const from = { kind: 'process' as const };
    const due = { tenantId: TENANT, deviceId, from, kind: 'event' as const, installationId: installationId! };
    for (const days of [1, 2])
      await asService(this.pool, (tx) =>
        record(tx, [{ ...due, event: { type: 'deadline' } }], Date.now() + days * 86_400_000),
      );
  }

  /** The device says hello with the content of the rollout. */
  async holds(deviceId: string): Promise<void> {
    const [row] = await this.facts.sql<{ sha256: string }>(`SELECT sha256 FROM firmwares WHERE id = $1`, [
      this.firmware,
    ]);
    await this.hello(deviceId, { version: '2.0.0', sha256: row!.sha256 });
  }

  async fail(count?: number, error = { code: 'INCOMPATIBLE', message: 'wrong board' }): Promise<void> {
    await this.report(await this.inFlight(count), { type: 'failed', error });
  }

  async report(targets: readonly TargetView[], event: InstallationEvent): Promise<void> {
    await this.say(
      targets.flatMap((one): Report[] => [
        {
          tenantId: TENANT,
          deviceId: one.deviceId,
          from: { kind: 'process' },
          kind: 'event',
          installationId: one.installationId!,
          event: { type: 'begin' },
        },
        {
          tenantId: TENANT,
          deviceId: one.deviceId,
          from: { kind: 'device', node: one.deviceId },
          kind: 'event',
          installationId: one.installationId!,
          event,
        },
      ]),
    );
  }

  async say(reports: readonly Report[]): Promise<void> {
    await asService(this.pool, (tx) => record(tx, reports, Date.now()));
  }

  /** The names of what the planner and people did, oldest first, without admissions. */
  async told(...events: string[]): Promise<string[]> {
    const rows = await this.facts.sql<{ event: string }>(
      `SELECT event FROM history WHERE rollout_id = $1 ORDER BY entry`,
      [this.rolloutId],
    );
    return rows.map((row) => row.event).filter((event) => events.length === 0 || events.includes(event));
  }

  async counters(): Promise<Record<string, Record<string, number>>> {
    const { facts } = await this.now();
    return Object.fromEntries(
      facts.groups.map((group) => [
        group.name,
        Object.fromEntries(Object.entries(group.counters).filter(([, count]) => count > 0)),
      ]),
    );
  }
}
