import { expect } from '@jest/globals';
import { compareVersions } from '../../domain/artifact/versions.js';
import { facetOf, type FacetCount } from '../../domain/fleet/facets.js';
import { listInstallations, readInstallationFacet } from '../../store/commands/create-installation.js';
import { readFacet } from '../../store/commands/device-rows.js';
import { listDevices } from '../../store/commands/devices.js';
import { countTenant } from '../../store/commands/summary.js';
import type { Tx } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import type { Story } from './story.js';

const TENANT = 'default';

interface DeviceRow {
  id: string;
  type: string;
  online: boolean;
  silent: boolean;
}
interface SlotRow {
  device: string;
  slot: string;
  version: string | null;
}
interface InstallationRow {
  id: string;
  device: string;
  slot: string;
  state: string;
  firmware: string;
  rollout: string | null;
  executing: boolean;
  open: boolean;
  since: Date;
}

/** Every row that counts are made of, read whole: nothing is counted by the database. */
interface Rows {
  devices: DeviceRow[];
  slots: SlotRow[];
  installations: InstallationRow[];
  phases: string[];
  /** The highest version that is associated, by type and slot: `<type>/<slot>`. */
  highest: Map<string, string>;
}

async function rowsOf({ facts }: Story): Promise<Rows> {
  const associated = await facts.sql<{ at: string; version: string }>(
    `SELECT a.device_type_id || '/' || a.slot AS at, f.version FROM firmware_associations a
       JOIN firmwares f ON f.id = a.firmware_id WHERE f.state = 'ready' AND f.version IS NOT NULL`,
  );
  const highest = new Map<string, string>();
  for (const { at, version } of associated) {
    const known = highest.get(at);
    if (known === undefined || (compareVersions(version, known) ?? 0) > 0) highest.set(at, version);
  }
  return {
    devices: await facts.sql(
      `SELECT id, device_type_id AS type, online, silent_since IS NOT NULL AS silent FROM devices`,
    ),
    slots: await facts.sql(`SELECT device_id AS device, slot, version FROM device_slots`),
    installations: await facts.sql(
      `SELECT id, device_id AS device, slot, state, firmware_id AS firmware, rollout_id AS rollout, executing,
         ended_at IS NULL AS open, state_since AS since FROM installations`,
    ),
    phases: (await facts.sql<{ phase: string }>('SELECT phase FROM rollouts')).map(({ phase }) => phase),
    highest,
  };
}

/** docs/contracts/operators.md, "The fleet at a glance": the first that holds. */
function standingOf(device: DeviceRow, { slots, installations, highest }: Rows): string {
  if (device.silent) return 'silent';
  if (installations.some((one) => one.device === device.id && one.executing)) return 'updating';
  const orders = [...highest]
    .filter(([at]) => at.startsWith(`${device.type}/`))
    .map(([at, version]) => {
      const held = slots.find((one) => one.device === device.id && at === `${device.type}/${one.slot}`)?.version;
      return held == null ? undefined : compareVersions(held, version);
    });
  if (orders.some((order) => order !== undefined && order < 0)) return 'behind';
  return orders.includes(undefined) ? 'unknown' : 'upToDate';
}

function counts(values: readonly (string | null)[]): Map<string | null, number> {
  const counted = new Map<string | null, number>();
  for (const value of values) counted.set(value, (counted.get(value) ?? 0) + 1);
  return counted;
}
/** Without those that are 0. */
const told = (given: Readonly<Record<string, number>>) =>
  new Map(Object.entries(given).filter(([, count]) => count > 0));
const asMap = (facet: readonly FacetCount[]) => new Map(facet.map(({ value, count }) => [value, count]));

/** The summary, the facets and the lengths of lists are exactly what the rows of the fleet are. */
export async function expectFleetCounted(story: Story): Promise<void> {
  await asTenant(story.pool, TENANT, async (tx) => {
    const rows = await rowsOf(story);
    await expectSummary(tx, rows);
    await expectDevices(tx, rows);
    await expectInstallations(tx, rows);
  });
}

async function expectSummary(tx: Tx, rows: Rows): Promise<void> {
  const summary = await countTenant(tx, TENANT);
  expect(told(summary.devices)).toEqual(counts(rows.devices.map((one) => standingOf(one, rows))));
  expect(told(summary.rollouts)).toEqual(counts(rows.phases));
  const open = rows.installations.filter((one) => one.open);
  expect(new Map(summary.installations.map(({ state, count }) => [state, count]))).toEqual(
    counts(open.map(({ state }) => state)),
  );
  for (const { state, oldest } of summary.installations) {
    const since = Math.min(...open.filter((one) => one.state === state).map((one) => one.since.getTime()));
    expect(oldest).toMatchObject({ since, waitingOn: expect.stringMatching(/^Waiting .+\.$/) });
    expect(open.find(({ id }) => id === oldest!.id)).toMatchObject({ state, device: oldest!.deviceId });
  }
}

async function expectDevices(tx: Tx, { devices, slots }: Rows): Promise<void> {
  const versions = new Map(slots.filter(({ slot }) => slot === 'firmware').map((one) => [one.device, one.version]));
  const values = {
    deviceType: devices.map(({ type }) => type),
    online: devices.map(({ online }) => String(online)),
    connectedBy: devices.map(() => null),
    tag: devices.map(() => null),
    'slot.firmware.version': devices.map(({ id }) => versions.get(id) ?? null),
  };
  for (const [name, of] of Object.entries(values))
    expect([name, asMap(await readFacet(tx, TENANT, {}, {}, facetOf(name)!))]).toEqual([name, counts(of)]);
  for (const online of ['true', 'false']) {
    const filter = { filter: `online==${online}` };
    const { total } = await listDevices(tx, TENANT, filter, { page: 0, pageSize: 1 });
    const found = devices.filter((one) => String(one.online) === online);
    expect([filter, total]).toEqual([filter, { items: found.length, exact: true }]);
    const facet = await readFacet(tx, TENANT, filter, {}, facetOf('slot.firmware.version')!);
    expect(asMap(facet)).toEqual(counts(found.map(({ id }) => versions.get(id) ?? null)));
  }
}

async function expectInstallations(tx: Tx, { installations }: Rows): Promise<void> {
  for (const [name, member] of [
    ['state', 'state'],
    ['slot', 'slot'],
    ['firmwareId', 'firmware'],
    ['rolloutId', 'rollout'],
  ] as const) {
    const of = counts(installations.map((one) => one[member]));
    expect([name, asMap(await readInstallationFacet(tx, TENANT, {}, {}, name))]).toEqual([name, of]);
  }
  for (const [state, count] of counts(installations.map((one) => one.state))) {
    const { total } = await listInstallations(tx, TENANT, { state: [state!] }, { page: 0, pageSize: 1 });
    expect([state, total]).toEqual([state, { items: count, exact: true }]);
  }
}
