import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { KeptCounts } from '../../api/summary/kept-counts.js';
import { compareVersions } from '../../domain/artifact/versions.js';
import { until } from '../support/until.js';
import { ApiWithFirmware, type Device } from './api-with-firmware.js';
import { newFirmware, uploaded } from './upload.js';

const DEVICES = 42;
/** What slots say that they hold; undefined = nothing was said. */
const FIRMWARE = ['1.4.0', '1.6.0-rc.1', '1.6.0', 'nightly', undefined, '1.6.0-rc.1', null] as const;
const BOOTLOADER = ['1.5.0', '1.4.9', '2.0.0', '1.5.0+build.7', '1.5'] as const;
/** The highest version that is associated with each slot. */
const HIGHEST = { firmware: '1.6.0-rc.1', bootloader: '1.5.0' };

interface Summary {
  asOf: string;
  devices: Record<string, number>;
  installations: {
    state: string;
    count: number;
    oldest: { id: string; deviceId: string; since: string; waitingOn: string };
  }[];
  rollouts: Record<string, number>;
  approvals: { waiting: number; forYou: number };
  parts: Record<string, { status: string }>;
}

let fleet: ApiWithFirmware;
const devices: Device[] = [];
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('api_summary');
  const { api } = fleet;
  // 1.5.0 is associated with both slots; of these three only the first is ready and has a version that compares.
  await fleet.associate(await uploaded(api, randomBytes(10), { version: '1.6.0-rc.1' }), 'firmware');
  await fleet.associate(await newFirmware(api, { version: '9.0.0' }), 'firmware');
  await fleet.associate(await uploaded(api, randomBytes(10), { version: 'nightly' }), 'bootloader');
  for (let n = 0; n < DEVICES; n += 1) {
    const device = await fleet.register();
    devices.push(device);
    await said(device, 'firmware', FIRMWARE[n % FIRMWARE.length]);
    await said(device, 'bootloader', BOOTLOADER[n % BOOTLOADER.length]);
    if (n % 6 === 0) {
      const first = await device.install({ allowDowngrade: true });
      expect((await device.report(first, { startedAt: new Date().toISOString() })).status).toBe(200);
      await device.install({ slot: 'bootloader', allowDowngrade: true });
    }
    if (n % 11 === 0) await api.pool.query('UPDATE devices SET silent_since = now() WHERE id = $1', [device.id]);
  }
}, 120_000);
afterAll(() => fleet.close());

async function said(device: Device, slot: string, version: string | null | undefined): Promise<void> {
  if (version === undefined) return;
  await fleet.api.pool.query(
    `INSERT INTO device_slots (tenant_id, device_id, slot, version, reported_by, reported_at)
     VALUES ('default', $1::uuid, $2, $3, 'device', now())`,
    [device.id, slot, version],
  );
}

/** A summary that was counted after everything that this test did before. */
async function counted(): Promise<Summary> {
  const after = Date.now();
  return until('a count of now', async () => {
    const { status, body } = await fleet.api.call('GET', '/v1/summary');
    expect(status).toBe(200);
    return Date.parse(body.data.asOf as string) > after && (body.data as Summary);
  });
}

interface DeviceRow {
  silent: boolean;
  executing: boolean;
  versions: Record<string, string | null> | null;
}

function standingOf({ silent, executing, versions }: DeviceRow): string {
  if (silent) return 'silent';
  if (executing) return 'updating';
  const orders = Object.entries(HIGHEST).map(([slot, highest]) => {
    const held = versions?.[slot];
    return held == null ? undefined : compareVersions(held, highest);
  });
  if (orders.some((order) => order !== undefined && order < 0)) return 'behind';
  return orders.includes(undefined) ? 'unknown' : 'upToDate';
}

const total = async (path: string): Promise<number> =>
  (await fleet.api.call('GET', path)).body.meta.itemsTotal as number;

describe('GET /v1/summary', () => {
  it('counts each device once, as its rows say', async () => {
    const { rows } = await fleet.api.pool.query<DeviceRow>(
      `SELECT d.silent_since IS NOT NULL AS silent,
         EXISTS (SELECT FROM installations i WHERE i.device_id = d.id AND i.executing) AS executing,
         (SELECT jsonb_object_agg(s.slot, s.version) FROM device_slots s WHERE s.device_id = d.id) AS versions
       FROM devices d`,
    );
    const expected = { upToDate: 0, updating: 0, behind: 0, unknown: 0, silent: 0 } as Record<string, number>;
    for (const row of rows) expected[standingOf(row)]! += 1;
    expect(Math.min(...Object.values(expected))).toBeGreaterThan(1);
    expect((await counted()).devices).toEqual(expected);
  });

  it('counts what the list of devices finds by the filter that the docs name', async () => {
    const { api } = fleet;
    await api.pool.query('UPDATE devices SET silent_since = NULL');
    const older = 'slot.firmware.version=lt=1.6.0-rc.1,slot.bootloader.version=lt=1.5.0';
    const found = await api.call('GET', `/v1/devices?pageSize=100&filter=${encodeURIComponent(older)}`);
    const updating = new Set(devices.filter((_, n) => n % 6 === 0).map(({ id }) => id));
    const behind = (found.body.data as { id: string }[]).filter(({ id }) => !updating.has(id));
    expect((await counted()).devices).toMatchObject({ behind: behind.length, updating: updating.size, silent: 0 });
  });

  it('counts open installations by state, with the oldest of each and what it waits for', async () => {
    const { installations } = await counted();
    expect(installations.length).toBeGreaterThan(1);
    for (const { state, count, oldest } of installations) {
      const path = `/v1/firmware-installations?state=${state}`;
      expect([state, count]).toEqual([state, await total(path)]);
      const { rows } = await fleet.api.pool.query<{ since: Date }>(
        'SELECT min(state_since) AS since FROM installations WHERE state = $1',
        [state],
      );
      expect([state, oldest.since]).toEqual([state, rows[0]!.since.toISOString()]);
      const of = devices.find(({ id }) => id === oldest.deviceId)!;
      const { data } = (await of.call('GET', `/${oldest.id}`)).body;
      expect([data.state, data.waitingOn]).toEqual([state, oldest.waitingOn]);
    }
    const open = await fleet.api.pool.query('SELECT FROM installations WHERE ended_at IS NULL');
    expect(installations.reduce((sum, { count }) => sum + count, 0)).toBe(open.rowCount);
  });

  it('counts rollouts by phase, and approvals that wait, as they are at once', async () => {
    const { api, firmware } = fleet;
    const approver = await api.as({});
    const reader = await api.as({ role: 'reader' });
    const plan = { steps: [{ slot: 'firmware', firmwareId: firmware }], targets: { deviceIds: [devices[0]!.id] } };
    const made = async (approval: object): Promise<string> =>
      (await api.call('POST', '/v1/rollouts', { name: 'r', ...plan, approval })).body.data.id as string;
    const waiting = [await made({ required: 1, fourEyes: true }), await made({ required: 2 })];
    for (const id of waiting) expect((await api.call('POST', `/v1/rollouts/${id}/start`)).status).toBe(202);
    await made({ required: 1 });
    await api.call('POST', `/v1/rollouts/${await made({})}/abort`);
    const approvals = async (client: { call: typeof api.call }) =>
      (await client.call('GET', '/v1/summary')).body.data.approvals as Summary['approvals'];
    // The creator's vote does not count with four eyes, and a reader has none.
    expect(await approvals(api)).toEqual({ waiting: 2, forYou: 1 });
    expect(await approvals(approver)).toEqual({ waiting: 2, forYou: 2 });
    expect(await approvals(reader)).toEqual({ waiting: 2, forYou: 0 });
    expect((await approver.call('POST', `/v1/rollouts/${waiting[1]}/approve`)).status).toBe(202);
    expect(await approvals(approver)).toEqual({ waiting: 2, forYou: 1 });
    expect((await api.call('POST', `/v1/rollouts/${waiting[1]}/approve`)).status).toBe(202);
    expect(await approvals(api)).toEqual({ waiting: 1, forYou: 0 });
    const { rollouts } = await counted();
    for (const [phase, count] of Object.entries(rollouts))
      expect([phase, count]).toEqual([phase, await total(`/v1/rollouts?phase=${phase}`)]);
    expect(rollouts).toMatchObject({ draft: 1, awaiting_approval: 1, aborted: 1 });
  });

  it('has the parts of the service as /health/ready has them, and nothing of another tenant', async () => {
    const foreign = await fleet.api.as({ tenantId: 'other' });
    const { data } = (await foreign.call('GET', '/v1/summary')).body as { data: Summary };
    expect(Object.values(data.devices)).toEqual([0, 0, 0, 0, 0]);
    expect([data.installations, data.approvals]).toEqual([[], { waiting: 0, forYou: 0 }]);
    const health = (await fleet.api.call('GET', '/health/ready')).body.dependencies as Summary['parts'];
    expect(Object.keys(data.parts)).toEqual(Object.keys(health));
    expect(data.parts['database']).toEqual({ status: 'up' });
  });
});

describe('Counts that are kept', () => {
  /** Counts 1, 2, 3 …; each takes `took` ms of a clock that the test moves. */
  function kept(took = 0) {
    const state = { now: 0, asked: 0, took, fails: false };
    const counts = new KeptCounts(
      async () => {
        state.asked += 1;
        state.now += state.took;
        await Promise.resolve();
        if (state.fails) throw new Error('the database is away');
        return state.asked;
      },
      pino({ level: 'silent' }),
      () => state.now,
    );
    return { state, of: (tenant = 'default') => counts.of(tenant) };
  }

  it('are shared by all who ask while nothing is kept, and by tenant', async () => {
    const { of, state } = kept();
    expect(await Promise.all([of(), of(), of()])).toEqual([1, 1, 1]);
    expect(await of('other')).toBe(2);
    expect([await of(), state.asked]).toEqual([1, 2]);
  });

  it('are counted anew behind the answer once they are some seconds old', async () => {
    const { of, state } = kept();
    await of();
    state.now += 3_000;
    expect([await of(), state.asked]).toEqual([1, 1]);
    state.now += 1;
    expect(await Promise.all([of(), of()])).toEqual([1, 1]);
    expect(await until('the count behind it', async () => (await of()) === 2 && state.asked)).toBe(2);
  });

  it('take a twentieth of the time at most', async () => {
    const { of, state } = kept(1_000);
    await of();
    state.now += 18_000;
    expect([await of(), state.asked]).toEqual([1, 1]);
    state.now += 2_000;
    await of();
    expect(state.asked).toBe(2);
  });

  it('are waited for after a minute; where they fail, the last ones are shown until then', async () => {
    const { of, state } = kept();
    await of();
    state.fails = true;
    state.now += 59_000;
    expect(await of()).toBe(1);
    await until('the failure behind it', () => state.asked === 2);
    state.now += 2_000;
    await expect(of()).rejects.toThrow('the database is away');
    state.fails = false;
    expect(await of()).toBe(state.asked);
  });
});
