import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { record } from '../../store/record.js';
import { asService } from '../../store/db/transaction.js';
import { ApiWithFirmware } from './api-with-firmware.js';

let fleet: ApiWithFirmware;
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('api_device_connection');
});
afterAll(() => fleet.close());

const read = async (id: string) =>
  (await fleet.api.call('GET', `/v1/devices/${id}`)).body.data as Record<string, unknown>;

describe('GET /v1/devices/{id}', () => {
  it('of a device that was never heard says so by what it leaves out', async () => {
    const { id } = await fleet.register();
    const device = await read(id);
    expect(device['connection']).toEqual({ online: false });
    for (const member of ['agent', 'capabilities', 'bootId']) expect(device).not.toHaveProperty(member);
  });

  it('shows agent, capabilities with their defaults, boot and connection, as the newest hello has them', async () => {
    const { id } = await fleet.register();
    await fleet.api.call('POST', `/v1/devices/${id}/credentials`, { type: 'password' });
    const hello = {
      bootId: 'boot-2',
      agent: { name: 'slipway-agent', version: '0.1.0' },
      caps: { resume: true, maxSize: 4_096 },
      deviceType: 'Switch',
      slots: {},
    };
    await asService(fleet.api.pool, (tx) =>
      record(
        tx,
        [{ tenantId: 'default', deviceId: id, from: { kind: 'device', node: id }, kind: 'hello', hello }],
        Date.now(),
      ),
    );
    expect(await read(id)).toMatchObject({
      agent: hello.agent,
      capabilities: { resume: true, cancelDuringInstall: false, hash: ['sha256'], maxSize: 4_096 },
      bootId: 'boot-2',
      online: true,
      connection: { online: true, node: id, helloAt: expect.any(String), saidDeviceType: 'Switch' },
    });
    expect(((await read(id)) as { connection: object }).connection).not.toHaveProperty('reachable');
    const listed = await fleet.api.call('GET', `/v1/devices?deviceId=${id}`);
    expect(listed.body.data[0]).toMatchObject({ agent: hello.agent, bootId: 'boot-2' });
  });
});
