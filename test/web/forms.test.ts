import { describe, expect, it } from '@jest/globals';
import { printBytes } from '../../web/design/bytes.js';
import { asInput, fromInput } from '../../web/design/moments.js';
import { namedBy } from '../../web/pages/artifacts/naming.js';
import { bodyOf, slotFault, textsOf } from '../../web/pages/types/texts.js';
import { Meter } from '../../web/service/meter.js';

describe('The name of a dropped file', () => {
  it.each([
    ['light-switch-1.5.0.bin', 'light-switch', '1.5.0'],
    ['light_switch_v2.10.tar.gz', 'light_switch', '2.10'],
    ['gateway-os-3.0.0-rc.1.raucb', 'gateway-os', '3.0.0-rc.1'],
    ['firmware.bin', 'firmware', ''],
    ['1.5.0.bin', '1.5.0', '1.5.0'],
    ['1.5.0', '1.5.0', '1.5.0'],
    ['.bin', '.bin', ''],
    ['image', 'image', ''],
  ])('%s is "%s" in version "%s"', (file, name, version) => {
    expect(namedBy(file)).toEqual({ name, version });
  });
});

describe('The rate of an upload', () => {
  it('is told once there is enough to measure', () => {
    const meter = new Meter();
    expect([meter.take(0, 0), meter.take(100, 50_000), meter.take(1_000, 500_000)]).toEqual([
      undefined,
      undefined,
      500_000,
    ]);
  });

  it('is that of the last seconds, where the line became slower', () => {
    const meter = new Meter();
    for (let second = 0; second <= 10; second += 1) meter.take(second * 1_000, second * 1_000_000);
    let rate: number | undefined;
    for (let second = 11; second <= 20; second += 1)
      rate = meter.take(second * 1_000, 10_000_000 + (second - 10) * 1_000);
    expect(rate).toBe(1_000);
  });
});

describe('A size', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [200_000, '200 kB'],
    [999_999, '1.0 MB'],
    [20_971_520, '21.0 MB'],
    [3_500_000_000_000_000, '3500 TB'],
  ])('of %d bytes is printed as %s', (bytes, text) => {
    expect(printBytes(bytes)).toBe(text);
  });
});

describe('A moment that is typed', () => {
  it('is read in the zone in which times are shown, and comes back as it was typed', () => {
    expect(fromInput('2026-11-24T10:00', 'utc')).toBe('2026-11-24T10:00:00.000Z');
    expect(asInput('2026-11-24T10:00:00.000Z', 'utc')).toBe('2026-11-24T10:00');
    expect(asInput(fromInput('2026-07-24T23:30', 'local'), 'local')).toBe('2026-07-24T23:30');
  });

  it('is none while it is not whole', () => {
    expect([fromInput('', 'utc'), fromInput('2026-11-24T', 'local'), asInput('', 'local')]).toEqual(['', '', '']);
  });
});

describe('The form of a device type', () => {
  const type = {
    id: 't',
    name: 'switch',
    model: 'LS-1',
    categories: [],
    reportingRules: [],
    schema: {},
    slots: { firmware: { name: 'Firmware', part: 'os' }, boot: { name: 'Boot' } },
    communicationInterval: 60,
    createdAt: '2026-11-24T10:00:00.000Z',
    updatedAt: '2026-11-24T10:00:00.000Z',
  };

  it('sends of a new type what was typed, and one slot by default', () => {
    expect(bodyOf({ ...textsOf(undefined), name: ' switch ' }, undefined)).toEqual({
      name: 'switch',
      slots: { firmware: { name: 'Firmware' } },
    });
  });

  it('sends of one that is there only what differs', () => {
    const texts = textsOf(type);
    expect(bodyOf(texts, type)).toEqual({});
    const [firmware] = texts.slots;
    const added = { key: 9, slot: 'config', name: '', isThere: false };
    const changed = { ...texts, model: '', communicationInterval: '3600', slots: [firmware!, added] };
    expect(bodyOf(changed, type)).toEqual({
      model: null,
      communicationInterval: 3600,
      slots: { boot: null, config: { name: 'config' } },
    });
  });

  it('leaves it to the service to say what is wrong with a number', () => {
    expect(bodyOf({ ...textsOf(type), communicationInterval: '1h' }, type)).toEqual({ communicationInterval: '1h' });
  });

  it('names a slot that cannot be, and one that is there twice', () => {
    const line = { key: 0, name: '', isThere: false };
    expect(slotFault([{ ...line, slot: 'a-b' }])).toBe('Slot 1 consists of letters, digits and _.');
    expect(slotFault([1, 2].map((key) => ({ ...line, key, slot: 'a' })))).toBe('The slot a is there twice.');
    expect(slotFault([])).toBeUndefined();
  });
});
