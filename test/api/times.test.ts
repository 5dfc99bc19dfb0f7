import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readInstant } from '../../domain/instant.js';
import { ApiWithFirmware, type Device } from './api-with-firmware.js';

let fleet: ApiWithFirmware;
let device: Device;
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('api_times');
  device = await fleet.register();
});
afterAll(() => fleet.close());

/** A text, and the instant that it is; undefined where it is refused. */
const TIMES: [string, string | undefined][] = [
  ['2026-11-24T10:00:00Z', '2026-11-24T10:00:00.000Z'],
  ['2026-11-24t10:00:00.5z', '2026-11-24T10:00:00.500Z'],
  ['2026-11-24T10:00:00.123456789+02:00', '2026-11-24T08:00:00.123Z'],
  ['1969-12-31T23:59:59Z', '1969-12-31T23:59:59.000Z'],
  ['1901-01-01T00:00:00Z', '1901-01-01T00:00:00.000Z'],
  ['1900-12-31T23:59:59Z', '1900-12-31T23:59:59.000Z'],
  ['1582-10-15T00:00:00Z', '1582-10-15T00:00:00.000Z'],
  ['0099-12-31T23:59:59Z', '0099-12-31T23:59:59.000Z'],
  ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ['0001-01-01T00:00:00-00:01', '0001-01-01T00:01:00.000Z'],
  ['0001-01-01T00:00:00+00:01', undefined],
  ['0000-12-31T23:59:59Z', undefined],
  ['0000-12-31T23:59:00-23:59', '0001-01-01T23:58:00.000Z'],
  ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
  ['9999-12-31T23:59:59.9999999Z', '9999-12-31T23:59:59.999Z'],
  ['9999-12-31T23:59:59+23:59', '9999-12-31T00:00:59.000Z'],
  ['9999-12-31T23:59:59-00:01', undefined],
  ['9999-12-31T00:01:00-23:59', undefined],
  ['+010000-01-01T00:00:00Z', undefined],
  ['10000-01-01T00:00:00Z', undefined],
  ['2026-02-29T00:00:00Z', undefined],
  ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  ['2026-11-24T24:00:00Z', undefined],
  ['2026-11-24T23:60:00Z', undefined],
  ['2026-11-24T10:00:00', undefined],
  ['2026-11-24', undefined],
  ['infinity', undefined],
];

describe('a time', () => {
  it.each(TIMES)('%s is read as %s', (text, instant) => {
    expect(readInstant(text)).toBe(instant);
  });

  it.each(TIMES)(
    '%s is taken or refused alike wherever a request names one, and never breaks the service',
    async (text, instant) => {
      const time = encodeURIComponent(text);
      const filter = (operator: string) => `/v1/devices?filter=${encodeURIComponent(`lastSeenAt${operator}${text}`)}`;
      const asked: Record<string, string> = {
        'since of a list': `/v1/devices?since=${time}`,
        'until of a list': `/v1/firmware-installations?until=${time}`,
        endedSince: `/v1/firmware-installations?endedSince=${time}`,
        endedUntil: `/v1/firmware-installations?endedUntil=${time}`,
        'since of the history': `/v1/events?since=${time}`,
        'until of the history': `/v1/events?until=${time}`,
        'filter =gt=': filter('=gt='),
        'filter =le=': filter('=le='),
      };
      const answers: Record<string, number> = {};
      for (const [name, path] of Object.entries(asked)) answers[name] = (await fleet.api.call('GET', path)).status;
      const patched = await fleet.api.call('PATCH', `/v1/devices/${device.id}`, {
        info: { installationTimestamp: text },
      });
      answers['a member of a body'] = patched.status;
      const expected = instant === undefined ? 400 : 200;
      expect(answers).toEqual(Object.fromEntries(Object.keys(answers).map((name) => [name, expected])));
      if (instant !== undefined) expect(patched.body.data.info.installationTimestamp).toBe(instant);
    },
  );

  it.each(TIMES)('%s in an installation is no fault of the service', async (text) => {
    for (const member of ['notBefore', 'deadline'])
      expect([201, 400]).toContain((await device.post({ [member]: text })).status);
    const installation = await device.install();
    for (const member of ['startedAt', 'completedAt', 'rejectedAt'])
      expect([200, 400, 409]).toContain((await device.report(installation, { [member]: text })).status);
  });
});
