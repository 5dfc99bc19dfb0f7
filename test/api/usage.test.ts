import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiWithFirmware, type Device } from './api-with-firmware.js';
import { newFirmware, uploaded } from './upload.js';

const DEVICES = 9;

let fleet: ApiWithFirmware;
const devices: Device[] = [];
let other: string;
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('api_usage');
  other = await uploaded(fleet.api, randomBytes(10), { version: '1.4.0' });
  await fleet.associate(other, 'firmware');
  for (let n = 0; n < DEVICES; n += 1) devices.push(await fleet.register());
}, 120_000);
afterAll(() => fleet.close());

async function rollout(body: Record<string, unknown> = {}): Promise<string> {
  const { status, body: made } = await fleet.api.call('POST', '/v1/rollouts', {
    name: 'switch 1.5.0',
    steps: [{ slot: 'firmware', firmwareId: fleet.firmware }],
    targets: { deviceIds: devices.map(({ id }) => id) },
    ...body,
  });
  expect([status, made.errors]).toEqual([201, undefined]);
  return made.data.id as string;
}
const post = async (path: string, body?: unknown, by: Pick<typeof fleet.api, 'call'> = fleet.api) =>
  expect([path, (await by.call('POST', path, body)).status]).toEqual([path, 202]);
const data = async (path: string): Promise<ReturnType<typeof JSON.parse>> => {
  const { status, body } = await fleet.api.call('GET', path);
  expect([path, status]).toEqual([path, 200]);
  return body.data;
};
/** Of one rollout: other tests have theirs. */
const approvals = async (id: string, by: Pick<typeof fleet.api, 'call'> = fleet.api) =>
  ((await by.call('GET', '/v1/approvals?pageSize=100')).body.data as Record<string, unknown>[]).filter(
    ({ rolloutId }) => rolloutId === id,
  );

describe('GET /v1/firmwares/{id}/usage', () => {
  it('has associations, rollouts, devices by slot and open installations, as the rows say', async () => {
    const { api, firmware } = fleet;
    const { sha256 } = await data(`/v1/firmwares/${firmware}`);
    for (const [n, { id }] of devices.entries())
      await api.pool.query(
        `INSERT INTO device_slots (tenant_id, device_id, slot, sha256, reported_by, reported_at)
         VALUES ('default', $1::uuid, $2, $3, 'device', now())`,
        [id, n % 3 === 0 ? 'bootloader' : 'firmware', n === 4 ? 'f'.repeat(64) : sha256],
      );
    await devices[4]!.install();
    await devices[5]!.install({ slot: 'bootloader' });
    const [first, second] = [await rollout(), await rollout({ name: 'again' })];
    const usage = await data(`/v1/firmwares/${firmware}/usage`);
    expect(usage).toMatchObject({
      associations: [
        { deviceType: 'Switch', slot: 'bootloader' },
        { deviceType: 'Switch', slot: 'firmware' },
      ],
      associationsTotal: 2,
      rollouts: [
        { id: second, name: 'again', phase: 'draft' },
        { id: first, name: 'switch 1.5.0', phase: 'draft' },
      ],
      rolloutsTotal: 2,
      slots: [
        { slot: 'bootloader', devices: 3 },
        { slot: 'firmware', devices: 5 },
      ],
      openInstallations: 2,
    });
    expect(await data(`/v1/firmwares/${other}/usage`)).toMatchObject({
      associationsTotal: 1,
      rollouts: [],
      slots: [],
      openInstallations: 0,
    });
  });

  it('is 403 for what is not there, or belongs to another tenant; what has no blob is held by no device', async () => {
    const draft = await newFirmware(fleet.api);
    expect(await data(`/v1/firmwares/${draft}/usage`)).toMatchObject({ associations: [], slots: [] });
    const foreign = await fleet.api.as({ tenantId: 'foreign' });
    const refused = await foreign.call('GET', `/v1/firmwares/${draft}/usage`);
    expect([refused.status, refused.body.errorCode]).toEqual([403, 'FIRMWARE_NO_ACCESS_TO_RESOURCE']);
  });
});

describe('GET /v1/devices/{id}/rollouts', () => {
  it('has the target that the rollout lists, newest first', async () => {
    const only = await rollout({ name: 'only one', targets: { deviceIds: [devices[0]!.id] } });
    const listed = (await data(`/v1/devices/${devices[0]!.id}/rollouts?pageSize=100`)) as {
      id: string;
      phase: string;
      target: { deviceId: string };
    }[];
    expect(listed[0]).toMatchObject({ id: only, name: 'only one', phase: 'draft' });
    for (const { id, target } of listed) {
      const targets = (await data(`/v1/rollouts/${id}/devices?pageSize=100`)) as { deviceId: string }[];
      expect(targets).toContainEqual(target);
      expect(target.deviceId).toBe(devices[0]!.id);
    }
    const others = (await data(`/v1/devices/${devices[1]!.id}/rollouts`)) as { id: string }[];
    expect(others.map(({ id }) => id)).toEqual(listed.slice(1).map(({ id }) => id));
  });

  it('is 404 for a device that is not there', async () => {
    expect((await fleet.api.call('GET', `/v1/devices/${fleet.firmware}/rollouts`)).status).toBe(404);
  });
});

describe('GET /v1/approvals', () => {
  it('has a rollout from its start until it has the votes that it needs', async () => {
    const { api } = fleet;
    const approver = await api.as({});
    const id = await rollout({ approval: { required: 2, fourEyes: true } });
    expect(await approvals(id)).toEqual([]);
    await post(`/v1/rollouts/${id}/start`);
    expect(await approvals(id)).toMatchObject([
      {
        name: 'switch 1.5.0',
        version: 1,
        group: null,
        required: 2,
        given: [],
        voided: null,
        until: null,
        evidence: null,
        vote: { allowed: false, whyNot: expect.stringContaining('the creator of the rollout cannot approve it') },
      },
    ]);
    await post(`/v1/rollouts/${id}/approve`, undefined, approver);
    expect(await approvals(id, approver)).toMatchObject([
      { given: [{ version: 1 }], vote: { allowed: false, whyNot: expect.stringContaining('you have approved it') } },
    ]);
    const reader = await api.as({ role: 'reader' });
    expect(await approvals(id, reader)).toMatchObject([{ vote: { allowed: false, needs: 'rollouts:approve' } }]);
    await post(`/v1/rollouts/${id}/approve`, undefined, await api.as({}));
    expect(await approvals(id)).toEqual([]);
  });

  it('says what voided the votes, and since when it waits again', async () => {
    const { api } = fleet;
    const approver = await api.as({});
    const id = await rollout({ approval: { required: 2 } });
    await post(`/v1/rollouts/${id}/start`);
    await post(`/v1/rollouts/${id}/approve`, undefined, approver);
    const [before] = await approvals(id);
    const amended = await api.call('PATCH', `/v1/rollouts/${id}`, { pace: { maxInFlight: 1_000 } });
    expect(amended.status).toBe(200);
    const [after] = await approvals(id, approver);
    expect(after).toMatchObject({ version: 2, given: [], vote: { allowed: true } });
    expect(after!['voided']).toMatch(/version 2 loosens pace\.maxInFlight .*voids 1 vote/);
    expect(String(after!['since']) > String(before!['since'])).toBe(true);
  });

  it('has a group that asks, with its counters, its gate and the end of its time; not one that was rejected', async () => {
    const { api } = fleet;
    const approver = await api.as({});
    const id = await rollout({
      groups: [
        { name: 'canary', count: 2, approval: { required: 1, expiresAfter: 'PT1H', onExpiry: 'abort' } },
        { name: 'rest' },
      ],
    });
    await post(`/v1/rollouts/${id}/start`);
    // What its process does once the gate of the group is satisfied.
    const { pool } = api;
    await pool.query(`UPDATE rollouts SET started_at = now(), phase = 'awaiting_approval' WHERE id = $1`, [id]);
    await pool.query(
      `UPDATE rollout_groups SET opened_at = now(), asked_at = '2026-11-24T10:00:00Z', pending = 0, installed = 2
       WHERE rollout_id = $1 AND position = 0`,
      [id],
    );
    const [group] = await approvals(id, approver);
    expect(group).toMatchObject({
      group: 'canary',
      required: 1,
      since: '2026-11-24T10:00:00.000Z',
      until: '2026-11-24T11:00:00.000Z',
      evidence: { size: 2, counters: { installed: 2, pending: 0 }, gate: { because: expect.any(String) } },
      vote: { allowed: true },
    });
    const shown = (await data(`/v1/rollouts/${id}`)).groups[0];
    expect((group!['evidence'] as { gate: object }).gate).toEqual({
      verdict: shown.gate.verdict,
      because: shown.gate.because,
    });
    await post(`/v1/rollouts/${id}/groups/canary/reject`, { reason: 'too hot' }, approver);
    expect(await approvals(id)).toEqual([]);
  });

  it('has nothing of another tenant, and the longest wait first', async () => {
    const all = (await data('/v1/approvals?pageSize=100')) as { since: string }[];
    const times = all.map(({ since }) => since);
    expect(times).toEqual([...times].sort());
    const foreign = await fleet.api.as({ tenantId: 'foreign' });
    expect((await foreign.call('GET', '/v1/approvals')).body.data).toEqual([]);
  });
});
