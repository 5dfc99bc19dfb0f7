import { describe, expect, it } from '@jest/globals';
import { slotNow, type SlotFacts } from '../../domain/fleet/device-now.js';
import { sentenceOf, TIMELINE_EVENTS, type TimelineEntry } from '../../domain/fleet/timeline.js';

const AT = Date.UTC(2026, 10, 24, 10);
const ROLLOUT = { id: 'r-1', name: 'switch 1.5.0' };

function entry(event: string, data: Record<string, unknown> = {}, more: Partial<TimelineEntry> = {}): TimelineEntry {
  return { at: AT, event, data, installationId: 'i-1', slot: 'firmware', content: '1.5.0', rollout: null, ...more };
}

describe('The timeline of a device', () => {
  it.each<[string, TimelineEntry, string]>([
    [
      'an operator asked',
      entry('requested', { by: 'operator:key:admin' }),
      'Operator key:admin requested firmware 1.5.0 for slot "firmware".',
    ],
    [
      'a rollout asked',
      entry('requested', { by: 'rollout:r-1', group: 'canary', rolloutAttempt: 1 }, { rollout: ROLLOUT }),
      'Rollout "switch 1.5.0", group "canary", requested firmware 1.5.0 for slot "firmware".',
    ],
    [
      'a rollout asked again',
      entry('requested', { by: 'rollout:r-1', group: 'canary', rolloutAttempt: 2 }, { rollout: ROLLOUT }),
      'Rollout "switch 1.5.0", group "canary", in attempt 2 requested firmware 1.5.0 for slot "firmware".',
    ],
    [
      'an operator asked once more',
      entry('requested', { by: 'operator:key:admin', retryOf: 'i-0' }),
      'Operator key:admin requested firmware 1.5.0 for slot "firmware", again.',
    ],
    ['it was offered', entry('delivered', { by: 'process' }), 'Firmware 1.5.0 was offered to the device.'],
    [
      'it was put off',
      entry('deferred', { by: 'device:n', nextActionAt: '2026-11-24T11:00:00.000Z' }),
      'The device deferred firmware 1.5.0 until 2026-11-24T11:00:00.000Z.',
    ],
    [
      'an attempt failed',
      entry('scheduled', {
        by: 'device:n',
        attempt: 1,
        error: { code: 'HASH_MISMATCH', message: 'got 60303ae2' },
        nextActionAt: '2026-11-24T10:00:10.000Z',
      }),
      'Attempt 1 to install firmware 1.5.0 failed: HASH_MISMATCH (got 60303ae2); the next attempt starts at 2026-11-24T10:00:10.000Z.',
    ],
    [
      'it failed',
      entry('failed', { by: 'device:n', error: { code: 'INSTALL_FAILED', message: '' } }),
      'The installation of firmware 1.5.0 failed: INSTALL_FAILED.',
    ],
    [
      'an operator rejected it',
      entry('rejected', { by: 'operator:key:admin', reason: 'wrong version' }),
      'Firmware 1.5.0 was rejected by operator key:admin: wrong version.',
    ],
    [
      'it ran out of time',
      entry('timed_out', { by: 'process', from: 'downloading' }),
      'The installation of firmware 1.5.0 timed out in downloading.',
    ],
    ['it is installed', entry('installed', { by: 'device:n' }), 'Firmware 1.5.0 is installed.'],
    [
      'it was there before',
      entry('installed', { by: 'process', alreadyInstalled: true }),
      'The slot already held firmware 1.5.0.',
    ],
    [
      'the device said what it holds',
      entry('slot', { by: 'device:n', slot: 'firmware', version: '1.5.0', sha256: 'ab', confirmed: true }),
      'The device reported that slot "firmware" holds 1.5.0.',
    ],
    [
      'it holds content without a version',
      entry('slot', { slot: 'firmware', version: null, sha256: '60303ae22b998861bce3', confirmed: false }),
      'The device reported that slot "firmware" holds content 60303ae22b99, not yet confirmed.',
    ],
    [
      'it holds nothing',
      entry('slot', { slot: 'firmware', version: null, sha256: null, confirmed: false }),
      'The device reported slot "firmware" without a version and a digest: what it holds is not known.',
    ],
    [
      'a person said what it holds',
      entry('slot', { by: 'operator:key:admin', slot: 'firmware', version: '1.5.0', sha256: 'ab', confirmed: true }),
      'Operator key:admin reported that slot "firmware" holds 1.5.0.',
    ],
    [
      'its gateway said what it holds',
      entry('slot', { by: 'device:gw', version: '1.5.0', sha256: 'ab', confirmed: true }, { deviceId: 'd-1' }),
      'Its gateway reported that slot "firmware" holds 1.5.0.',
    ],
    [
      'the service concluded what it holds',
      entry('slot', { by: 'process', version: '1.5.0', sha256: 'ab', confirmed: true }, { deviceId: 'd-1' }),
      'Slot "firmware" holds 1.5.0.',
    ],
    [
      'a person said that it was too late to cancel',
      entry('cancel_refused', { by: 'operator:key:admin' }),
      'Operator key:admin reported that it is too late to cancel firmware 1.5.0.',
    ],
    [
      'a kind that this version does not know',
      entry('window_opened', { by: 'process' }),
      'Window opened, by its process.',
    ],
  ])('%s', (_what, of, sentence) => {
    expect(sentenceOf(of)).toBe(sentence);
  });

  it.each([...TIMELINE_EVENTS])('%s claims no word of the device that another said', (event) => {
    const data = { slot: 'firmware', version: '1.5.0', sha256: 'ab', nextActionAt: '2026-11-24T11:00:00.000Z' };
    const claims = /^the device (accepted|deferred|started|downloaded|reboots|reported|says|said)/i;
    for (const by of ['operator:key:admin', 'device:gateway', 'process', 'service', 'rollout:r-1']) {
      const sentence = sentenceOf(entry(event, { ...data, by }, { deviceId: 'd-1' }));
      if (by === 'operator:key:admin' || by === 'device:gateway')
        expect([by, sentence]).not.toEqual([by, expect.stringMatching(claims)]);
      if (claims.test(sentence)) expect(sentence).not.toMatch(/reported/);
    }
  });

  it.each([...TIMELINE_EVENTS])('%s, also without rollout and installation', (event) => {
    const sentence = sentenceOf(entry(event, {}, { content: null, slot: null, installationId: null }));
    expect(sentence).toMatch(/^[A-Z].*\.$/);
    expect(sentence).not.toMatch(/undefined|null|object/);
  });
});

const NOTHING: SlotFacts = { slot: 'firmware', current: null, desired: null, queued: 0, pending: [] };
const HELD = { version: '1.4.0', sha256: 'ab', confirmed: true, reportedAt: '2026-11-24T09:00:00.000Z', origin: null };
const BY_ROLLOUT = { requestedBy: 'key:admin', requestedAt: AT, rollout: 'switch 1.5.0', group: 'canary' };
const PENDING = {
  rollout: 'switch 1.5.0',
  content: '1.5.0',
  group: 'rest',
  groupOpened: false,
  online: true,
  retryAt: null,
  because: null,
  waitingOn: 'Waiting for the soak of group "canary".',
};

describe('The state of a slot', () => {
  it('is unknown before the first report of the device', () => {
    expect(slotNow(NOTHING)).toEqual({
      why: 'The device has not reported what slot "firmware" holds.',
      whyNow: null,
      waitingOn: [],
    });
  });

  it('names the origin of the version: a rollout, a person, or unknown', () => {
    const why = (
      origin: typeof BY_ROLLOUT | null | { requestedBy: string; requestedAt: number; rollout: null; group: null },
    ) => slotNow({ ...NOTHING, current: { ...HELD, origin } }).why;
    expect(why(BY_ROLLOUT)).toBe(
      'Slot "firmware" holds 1.4.0, because rollout "switch 1.5.0" (group "canary") requested it at 2026-11-24T10:00:00.000Z.',
    );
    expect(why({ requestedBy: 'key:admin', requestedAt: AT, rollout: null, group: null })).toBe(
      'Slot "firmware" holds 1.4.0, because operator key:admin requested it at 2026-11-24T10:00:00.000Z.',
    );
    expect(why(null)).toBe(
      'The device reported that slot "firmware" holds 1.4.0 (last report 2026-11-24T09:00:00.000Z); Slipway did not install it.',
    );
  });

  it('names who said it, and says what is not known', () => {
    const why = (change: object) => slotNow({ ...NOTHING, current: { ...HELD, ...change } }).why;
    expect(why({ reporter: 'its gateway' })).toBe(
      'Its gateway reported that slot "firmware" holds 1.4.0 (last report 2026-11-24T09:00:00.000Z); Slipway did not install it.',
    );
    expect(why({ reporter: 'operator key:admin', origin: BY_ROLLOUT })).toBe(
      'Slot "firmware" holds 1.4.0, because rollout "switch 1.5.0" (group "canary") requested it at 2026-11-24T10:00:00.000Z; operator key:admin reported that it is installed.',
    );
    expect(why({ version: null, sha256: null })).toBe(
      'The device reported slot "firmware" without a version and a digest: what it holds is not known (last report 2026-11-24T09:00:00.000Z).',
    );
    expect(why({ version: null, sha256: null, reporter: undefined })).toBe(
      'It is not known what slot "firmware" holds (last report 2026-11-24T09:00:00.000Z).',
    );
  });

  it('says why something changes now, and what that waits for', () => {
    const now = slotNow({
      ...NOTHING,
      current: HELD,
      desired: { content: '1.5.0', origin: BY_ROLLOUT, waitingOn: 'Waiting for the device to accept the offer.' },
      queued: 1,
    });
    expect(now.whyNow).toBe('Rollout "switch 1.5.0" (group "canary") requested 1.5.0 at 2026-11-24T10:00:00.000Z.');
    expect(now.waitingOn).toEqual([
      'Waiting for the device to accept the offer.',
      '1 more installation is queued for this slot.',
    ]);
  });

  it.each<[string, Partial<typeof PENDING> | { retryAt: number; because: string } | { group: null }, string]>([
    [
      'whose group has not begun',
      {},
      'Rollout "switch 1.5.0" plans to install 1.5.0; the device is in group "rest", which has not started. The rollout: Waiting for the soak of group "canary".',
    ],
    [
      'for which the device is away',
      { groupOpened: true, online: false },
      'Rollout "switch 1.5.0" plans to install 1.5.0; the device is in group "rest", which has started, but the device is offline. The rollout: Waiting for the soak of group "canary".',
    ],
    [
      'that tries again',
      { retryAt: AT, because: 'attempt 1: DOWNLOAD_FAILED' },
      'Rollout "switch 1.5.0" plans to install 1.5.0; the next attempt may start at 2026-11-24T10:00:00.000Z, after attempt 1: DOWNLOAD_FAILED.',
    ],
    [
      'without groups yet',
      { group: null },
      'Rollout "switch 1.5.0" plans to install 1.5.0; its groups are being formed.',
    ],
  ])('describes a rollout %s', (_what, more, sentence) => {
    expect(slotNow({ ...NOTHING, pending: [{ ...PENDING, ...more }] }).waitingOn).toEqual([sentence]);
  });
});
