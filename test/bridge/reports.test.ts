import { describe, expect, it } from '@jest/globals';
import { ceilingsIn, reportsOf } from '../../store/commands/device-reports.js';
import { parseUp } from '../../protocol/mqtt/payloads.js';

const DEVICE = '0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d01';
const INSTALLATION = '0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d02';

function sent(type: string, body: object) {
  const parsed = parseUp(
    `slipway/v1/default/${DEVICE}/${DEVICE}/up/${type}`,
    Buffer.from(JSON.stringify({ v: 1, ...body })),
  );
  if (!parsed.ok) throw new Error(parsed.detail);
  return parsed.message;
}

const deferral = (body: object) => {
  const status = { installationId: INSTALLATION, attempt: 1, seq: 1, slot: 'firmware', state: 'deferred', ...body };
  const [report] = reportsOf(sent('status', status), new Map());
  return report?.kind === 'event' && report.event.type === 'deferred' ? report.event.forMs : 'no deferral';
};

describe('A deferral that a device reports', () => {
  const HOUR = 3_600_000;
  it.each([
    ['counts from the message, by a clock that stands in 1970', { at: 5_000, until: 5_000 + HOUR }, HOUR],
    ['counts from the message, by a clock that is ahead by years', { at: 3e12, until: 3e12 + HOUR }, HOUR],
    ['that is over by its own clock is over', { at: 3e12, until: 3e12 - HOUR }, 0],
    ['may be a duration', { forSeconds: 90 }, 90_000],
    ['prefers the duration', { at: 5_000, until: 6_000, forSeconds: 90 }, 90_000],
    ['whose message has no time of its own is unknown in length', { until: 5_000 }, undefined],
    ['may leave out its length', {}, undefined],
  ])('%s', (_title, body, forMs) => {
    expect(deferral(body)).toBe(forMs);
  });
});

describe('A revision of 53 bits', () => {
  const hello = (revision: number) =>
    sent('hello', {
      msgId: 'm',
      agent: { name: 'a', version: '1' },
      slots: { firmware: { version: '1', sha256: null, revision, confirmed: true } },
    });

  it('is accepted, and one that no document can exceed is reported in diagnostics', () => {
    expect(ceilingsIn(hello(2_147_483_648))).toEqual([]);
    expect(ceilingsIn(hello(Number.MAX_SAFE_INTEGER))).toEqual([
      'slot "firmware" has seen revision 9007199254740991, and no document can be above it: let the device forget it',
    ]);
  });
});
