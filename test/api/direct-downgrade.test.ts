import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { Facts } from '../support/facts.js';
import { ApiWithFirmware, type Device } from './api-with-firmware.js';
import { uploaded } from './upload.js';

let on: ApiWithFirmware;
let pool: Pool;
beforeAll(async () => {
  on = await ApiWithFirmware.start('api_direct_downgrade');
  pool = openPool({ databaseUrl: on.api.databaseUrl, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await on.close();
});

async function firmware(version: string): Promise<string> {
  const id = await uploaded(on.api, randomBytes(100), { version });
  await on.associate(id, 'firmware');
  return id;
}
const holds = (device: Device, version: string): Promise<void> =>
  new Facts(pool).hello(device.id, { firmware: { version, sha256: randomBytes(32).toString('hex') } });

describe('A direct installation', () => {
  it.each([
    ['an older version', '1.4.0', 'FIRMWARE_CONTENT_NEWER', 'its slot holds 1.5.0, which is newer than 1.4.0'],
    [
      'one that cannot be compared',
      'nightly',
      'FIRMWARE_NOT_COMPARABLE',
      'its slot holds 1.5.0, which cannot be compared',
    ],
  ])(
    'of %s is refused, with the sentence of rollouts, unless it is asked for by name',
    async (_, version, code, says) => {
      const [device, firmwareId] = [await on.register(), await firmware(version)];
      await holds(device, '1.5.0');
      const refused = await device.post({ firmwareId });
      expect([refused.status, refused.body.errorCode]).toEqual([409, code]);
      expect(refused.body.detail).toContain(says);
      expect(refused.body.detail).toContain('set allowDowngrade to install it');
      expect((await device.post({ firmwareId, allowDowngrade: true })).status).toBe(201);
    },
  );

  it('of a newer version, and of one where nothing is known, is taken; a retry of it asks again', async () => {
    const [device, firmwareId] = [await on.register(), await firmware('1.6.0')];
    const first = await device.install({ firmwareId });
    expect((await device.call('POST', `/${first}/cancel`, {})).status).toBeLessThan(300);
    await holds(device, '1.7.0');
    const again = await device.call('POST', `/${first}/retry`, {});
    expect([again.status, again.body.errorCode]).toEqual([409, 'FIRMWARE_CONTENT_NEWER']);
    await holds(device, '1.5.0');
    expect((await device.call('POST', `/${first}/retry`, {})).status).toBe(201);
  });
});
