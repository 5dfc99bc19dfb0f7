import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Operator } from '../../demo/service/operator.js';
import { createFleet, type Fleet } from '../../agent/simulator/fleet.js';
import { admin, Folder } from '../cli/admin.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { TestedMosquitto } from '../support/mosquitto.js';

let folder: Folder;
let broker: TestedMosquitto;
let first: TestedAllInOne;
let restored: TestedAllInOne;
let fleet: Fleet;
let connects = 0;

beforeAll(async () => {
  [folder, broker] = [await Folder.make(), await TestedMosquitto.start()];
  const outside = {
    MQTT_URL: broker.url,
    MQTT_USERNAME: broker.service.username,
    MQTT_PASSWORD: broker.service.password,
    SLIPWAY_MQTT_ADMIN: 'dynsec',
  };
  [first, restored] = [new TestedAllInOne(undefined, outside), new TestedAllInOne(folder.at('restored'), outside)];
  await first.start();
}, 120_000);
afterAll(async () => {
  await fleet?.stop();
  await first.stop();
  await restored.stop();
  await broker.close();
  first.remove();
  await folder.remove();
}, 60_000);

async function upload(operator: Operator, typeId: string, version: string): Promise<{ id: string; sha256: string }> {
  const bytes = randomBytes(100_000);
  writeFileSync(folder.at('upload.bin'), bytes);
  const id = await operator.firmware('switch', version, folder.at('upload.bin'));
  await operator.associate(typeId, 'firmware', id);
  return { id, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Downloaded and held, then let go: two revisions of the document each time. */
async function held(operator: Operator, device: string, firmwareId: string): Promise<string> {
  const { id } = await operator.install(device, { firmwareId, slot: 'firmware', gate: 'hold' });
  await until('it is held', async () => (await operator.installation(device, id)).state === 'downloaded', 40_000);
  return id;
}

async function letGo(operator: Operator, device: string, id: string): Promise<void> {
  await operator.call('POST', `/v1/devices/${device}/firmware-installations/${id}/release`);
  await until('it is installed', async () => (await operator.installation(device, id)).state === 'installed', 60_000);
}

describe('A restored Slipway beside a broker that kept running', () => {
  it('reaches a device that stayed connected and has seen higher revisions', async () => {
    const { operator } = first;
    const typeId = await operator.deviceType({ name: 'switch', slots: { firmware: { name: 'Firmware' } } });
    const device = await operator.device({ name: 'hall', deviceTypeId: typeId });
    const { username, password } = await operator.password(device);
    fleet = createFleet({
      devices: [{ tenant: 'default', id: device, username, password, profile: 'good' }],
      mqttUrl: broker.url,
      dir: folder.at('devices'),
      seed: 1,
    });
    fleet.onEvent(({ phase }) => (connects += phase === 'connected' ? 1 : 0));
    await fleet.start();
    const wanted = await upload(operator, typeId, '2.0.0');
    const installation = await held(operator, device, wanted.id);
    expect(await admin(['backup', folder.at('backup')], { SLIPWAY_DATA_DIR: first.dataDir })).toMatchObject({
      code: 0,
    });

    await operator.call('POST', `/v1/devices/${device}/firmware-installations/${installation}/cancel`, {});
    await until('it is canceled', async () => (await operator.installation(device, installation)).state === 'canceled');
    await letGo(operator, device, await held(operator, device, (await upload(operator, typeId, '3.0.0')).id));
    await first.kill();
    await until('its children are gone, too', () => first.processes().length === 0, 20_000);

    const before = connects;
    expect(before).toBeGreaterThan(0);
    expect(await admin(['--data-dir', restored.dataDir, 'restore', folder.at('backup')], {})).toMatchObject({
      code: 0,
    });
    await restored.start();
    await letGo(restored.operator, device, installation);
    expect(await fleet.device(device).holds('firmware', wanted.sha256)).toBe(true);
    // Nothing but its own reboot made it connect: it was asked what it holds.
    expect(connects - before).toBe(1);
  }, 240_000);
});
