import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { printBytes } from '../../web/design/bytes.js';
import { asInput, fromInput } from '../../web/design/moments.js';
import { namedBy } from '../../web/pages/artifacts/naming.js';
import { factsOf } from '../../web/pages/device/certificate-facts.js';
import { asShare, printedShare, valueAt, withAt } from '../../web/pages/plan/body.js';
import { versionShares } from '../../web/pages/types/version-shares.js';
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
  it('is known once there is enough to measure', () => {
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

  it('is empty while it is not whole', () => {
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

describe('A plan that is written', () => {
  it('has what was typed and nothing else: what is taken away leaves no empty member behind', () => {
    const body = withAt({}, '/pace/maxInFlight', 7);
    expect(body).toEqual({ pace: { maxInFlight: 7 } });
    expect(valueAt(body, '/pace/maxInFlight')).toBe(7);
    expect(withAt(body, '/pace/maxInFlight', undefined)).toEqual({});
  });

  it('keeps what the form does not know, in its order, also inside of a list', () => {
    const body = { name: 'a', groups: [{ name: 'one', order: 1 }, { name: 'two' }], onConflict: 'reject' };
    const changed = withAt(body, '/groups/0/gate/minSuccess', 0.9);
    expect(JSON.stringify(changed)).toBe(
      '{"name":"a","groups":[{"name":"one","order":1,"gate":{"minSuccess":0.9}},{"name":"two"}],"onConflict":"reject"}',
    );
    expect(withAt(changed, '/groups/0/gate/minSuccess', undefined)).toEqual(body);
    expect(withAt({ groups: [{ name: 'one' }] }, '/groups/0/name', undefined)).toEqual({ groups: [{}] });
  });

  it.each([
    ['98', 0.98, '98'],
    ['98.5 %', 0.985, '98.5'],
    ['7', 0.07, '7'],
    ['', undefined, ''],
    ['most', 'most', 'most'],
  ])('takes "%s" percent as the share %s', (typed, share, shown) => {
    expect(asShare(typed)).toBe(share);
    expect(printedShare(share)).toBe(shown);
  });
});

describe('Versions of a fleet', () => {
  it('are shown newest first, those that are no version after them, and the rare ones as one', () => {
    const counts = ['1.4.0', '1.10.0', 'factory', '1.9.0', '1.5.0-rc.1', '1.3.0', '1.2.0'];
    const rows = counts.map((value, index) => ({ value, count: 100 - index }));
    expect(versionShares([...rows, { value: null, count: 3 }])).toEqual({
      named: [
        { version: '1.10.0', count: 99 },
        { version: '1.9.0', count: 97 },
        { version: '1.5.0-rc.1', count: 96 },
        { version: '1.4.0', count: 100 },
        { version: 'factory', count: 98 },
      ],
      others: 95 + 94,
      unknown: 3,
      total: 682,
    });
  });
});

describe('A certificate', () => {
  const made = (days: number): string => {
    const subject = '/O=Acme/CN=Acme devices';
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', '/dev/null'];
    const args = ['req', '-x509', '-nodes', ...key, '-subj', subject, '-days', String(days)];
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  };

  it.each([90, 20_000])('of %s days says until when and from whom it is, in either form of a time', (days) => {
    const facts = factsOf(made(days));
    expect(facts?.issuer).toBe('Acme devices');
    expect(Date.parse(facts!.until) - Date.parse(facts!.from)).toBe(days * 86_400_000);
    expect(Math.abs(Date.parse(facts!.from) - Date.now())).toBeLessThan(60_000);
  });

  it.each(['', 'no certificate', made(1).slice(0, 300), made(1).replace(/[A-Za-z0-9+/]{20}/, '!')])(
    'that cannot be read is shown without these facts',
    (pem) => expect(factsOf(pem)).toBeUndefined(),
  );

  it('that is cut off within its bytes is shown without these facts', () => {
    const [begin = '', ...lines] = made(1).trim().split('\n');
    expect(factsOf([begin, ...lines.slice(0, 3), lines.at(-1)].join('\n'))).toBeUndefined();
  });
});
