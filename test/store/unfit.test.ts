import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Hello } from '../../domain/installation/hello.js';
import type { Reporter } from '../../store/record.js';
import { record } from '../../store/record.js';
import { asService } from '../../store/db/transaction.js';
import { ApiWithFirmware, type Device } from '../api/api-with-firmware.js';

/** Of the firmware of ApiWithFirmware. */
const SIZE = 1_000;

let fleet: ApiWithFirmware;
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('store_unfit');
});
afterAll(() => fleet.close());

const report = (device: Device, what: object, from: Reporter) =>
  asService(fleet.api.pool, (tx) =>
    record(
      tx,
      [{ tenantId: 'default', deviceId: device.id, from, ...what } as Parameters<typeof record>[1][number]],
      Date.now(),
    ),
  );
const says = (device: Device, hello: Partial<Hello>) =>
  report(device, { kind: 'hello', hello: { slots: {}, ...hello } }, { kind: 'device', node: device.id });
const begins = (device: Device, installationId: string) =>
  report(device, { kind: 'event', installationId, event: { type: 'begin' } }, { kind: 'process' });
const stateOf = async (device: Device, id: string) => {
  const { state, rejectReason, error } = (await device.call('GET', `/${id}`)).body.data as {
    state: string;
    rejectReason?: string;
    error?: { code: string };
  };
  return { state, code: error?.code, rejectReason };
};

/** What a hello says, and the code and sentence with which an installation ends at its turn; none = it is offered. */
const TABLE: [string, Partial<Hello>, string?, RegExp?][] = [
  ['nothing of its abilities', {}],
  ['that it takes just this size', { caps: { maxSize: SIZE } }],
  [
    'that it takes less',
    { caps: { maxSize: SIZE - 1 } },
    'TOO_LARGE',
    /the content has 1000 bytes, and the device takes 999 at most/,
  ],
  ['that it checks SHA-256', { caps: { hash: ['md5', 'sha256'] } }],
  ['that it checks SHA-256 in another spelling', { caps: { hash: ['SHA-256'] } }],
  [
    'that it checks other hashes only',
    { caps: { hash: ['md5', 'sha1'] } },
    'HASH_UNSUPPORTED',
    /the device checks md5, sha1 by its own word/,
  ],
  ['that it checks none', { caps: { hash: [] } }, 'HASH_UNSUPPORTED', /no hash/],
  ['the name of its type', { deviceType: 'Switch' }],
  ['the name of its type in other letters', { deviceType: 'SWITCH' }],
  [
    'another type',
    { deviceType: 'Dimmer' },
    'TYPE_CONTRADICTED',
    /says that its type is "Dimmer", and it is stored as "Switch"/,
  ],
];

describe('a device that says', () => {
  it.each(TABLE.map(([said, hello, code, sentence]) => [said, hello, code, sentence] as const))(
    '%s',
    async (_, hello, code, sentence) => {
      const device = await fleet.register();
      const id = await device.install();
      await says(device, hello);
      await begins(device, id);
      const found = await stateOf(device, id);
      expect([found.state, found.code]).toEqual(code === undefined ? ['delivered', undefined] : ['canceled', code]);
      if (sentence) expect(found.rejectReason).toMatch(sentence);
    },
  );

  it('is judged by its newest hello, and again for each attempt', async () => {
    const device = await fleet.register();
    await says(device, { caps: { maxSize: 1 } });
    await says(device, { caps: { maxSize: SIZE } });
    const id = await device.install();
    await begins(device, id);
    expect((await stateOf(device, id)).state).toBe('delivered');
    const next = await device.install({ slot: 'bootloader' });
    await says(device, { caps: { maxSize: 1 } });
    await device.report(id, { completedAt: new Date().toISOString() });
    await begins(device, next);
    expect((await stateOf(device, next)).code).toBe('TOO_LARGE');
  });

  it('another type gets an offer once a person says that this is its name, or changes what is stored', async () => {
    const device = await fleet.register();
    const [recorded] = await says(device, { deviceType: 'Dimmer' });
    expect(recorded).toMatchObject({
      outcome: 'applied',
      contradiction: expect.stringContaining('set info.reportsAs to "Dimmer"'),
    });
    const refused = await device.install();
    await begins(device, refused);
    expect((await stateOf(device, refused)).code).toBe('TYPE_CONTRADICTED');
    const path = `/v1/devices/${device.id}`;
    const patched = await fleet.api.call('PATCH', path, { info: { reportsAs: 'dimmer' } });
    expect(patched.body.data.info.reportsAs).toBe('dimmer');
    const { body } = await device.call('POST', `/${refused}/retry`);
    await begins(device, body.data.id as string);
    expect((await stateOf(device, body.data.id as string)).state).toBe('delivered');
    expect((await says(device, { deviceType: 'Dimmer' }))[0]).not.toHaveProperty('contradiction');
    expect((await fleet.api.call('PATCH', path, { info: { reportsAs: null } })).body.data.info).not.toHaveProperty(
      'reportsAs',
    );
  });
});
