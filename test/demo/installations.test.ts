import { describe, expect, it } from '@jest/globals';
import { DEVICE_MIX } from '../../demo/service/device-mix.js';
import type { InstallationResource } from '../../demo/service/operator.js';
import { isAsExpected, table, type Outcome } from '../../demo/installations/outcome.js';
import { picture, type DeviceRow } from '../../demo/installations/picture.js';
import { story } from '../../demo/installations/story.js';
import { PROFILES } from '../../agent/simulator/profiles.js';

type Step = readonly [seconds: number, event: string, data?: Record<string, unknown>];
const SELF = { by: 'device:d-1' };
const TAKEN: readonly Step[] = [
  [0, 'requested'],
  [1, 'delivered', { by: 'process' }],
  [1.5, 'accepted', SELF],
  [2, 'downloading', { ...SELF, attempt: 1 }],
];
const LOADED: readonly Step[] = [
  ...TAKEN,
  [6, 'downloaded', { ...SELF, attempt: 1 }],
  [6, 'installing', SELF],
  [7, 'rebooting', SELF],
];

function installation(
  state: string,
  steps: readonly Step[],
  also: Partial<InstallationResource> = {},
): InstallationResource {
  const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1_000).toISOString();
  return {
    id: 'i-1',
    deviceId: 'd-1',
    slot: 'firmware',
    state,
    attempt: 1,
    requestedAt: at(0),
    history: steps.map(([seconds, event, data = {}]) => ({ at: at(seconds), event, data })),
    ...also,
  };
}
const actor = (name: string, state: string): DeviceRow => ({
  name,
  isChild: name.startsWith('child'),
  profile: 'gatewayWithUnreachableChild',
  installation: installation(state, [], { attempt: 2 }),
  said: 'failed: HASH_MISMATCH: the download has the SHA-256 of something else altogether',
});
const plain = (line: string) => line.replaceAll(/\u001b\[\d+m/g, '');

describe('the demo', () => {
  it('has 50 devices, among them 5 gateways with 4 children each, and every fault profile', () => {
    expect(DEVICE_MIX.length + DEVICE_MIX.flatMap(({ children }) => children).length).toBe(50);
    expect(DEVICE_MIX.filter(({ children }) => children.length === 4)).toHaveLength(5);
    expect([...new Set(DEVICE_MIX.map(({ profile }) => profile))].sort()).toEqual(Object.keys(PROFILES).sort());
  });

  it.each([
    [
      'what was installed',
      installation('installed', [...LOADED, [8.2, 'installed', SELF]]),
      'Downloaded in 4.0 s; its hello showed the new content 1.2 s into the reboot.',
    ],
    [
      'what its status said',
      installation('installed', [...LOADED, [8, 'installed', { ...SELF, seq: 6 }]]),
      'Downloaded in 4.0 s; it reported it as installed 1.0 s into the reboot.',
    ],
    [
      'what a gateway said',
      installation('installed', [...LOADED, [8, 'installed', { by: 'device:gw' }]]),
      "Downloaded in 4.0 s; its gateway's hello showed the new content 1.0 s into the reboot.",
    ],
    [
      'reports that were lost',
      installation('installed', [...TAKEN, [9, 'installed', SELF]]),
      'Its hello showed the new content, although "downloaded", "rebooting" never came in time.',
    ],
    [
      'what failed first',
      installation(
        'installed',
        [
          ...TAKEN,
          [3, 'scheduled', { ...SELF, attempt: 1, error: { code: 'HASH_MISMATCH' } }],
          [4, 'downloading', { attempt: 2 }],
          [5, 'downloaded', { attempt: 2 }],
          [5, 'rebooting'],
          [6, 'installed', SELF],
        ],
        { attempt: 2 },
      ),
      'Try 1 failed with HASH_MISMATCH; try 2 downloaded in 1.0 s; its hello showed the new content 1.0 s into the reboot.',
    ],
    [
      'a device that was away',
      installation(
        'rejected',
        [
          [0, 'requested'],
          [1, 'delivered'],
          [9, 'accepted', SELF],
          [9, 'rejected', SELF],
        ],
        { rejectReason: 'INCOMPATIBLE: too old' },
      ),
      'Was offered 8.0 s before the device took it; was rejected with INCOMPATIBLE: too old.',
    ],
    [
      'a device that put it off',
      installation(
        'failed',
        [
          [0, 'deferred', SELF],
          [5, 'accepted', SELF],
          [6, 'failed', SELF],
        ],
        { rejectReason: 'NO_SPACE: full' },
      ),
      'Was put off by the device for 5.0 s; failed with NO_SPACE: full.',
    ],
    [
      'a device that was silent',
      installation(
        'timed_out',
        [
          [0, 'requested'],
          [1, 'delivered'],
          [13, 'timed_out'],
        ],
        { rejectReason: 'no answer to the offer' },
      ),
      'Timed out after 12.0 s in delivered: no answer to the offer.',
    ],
    [
      'what is still open',
      installation(
        'delivered',
        [
          [0, 'requested'],
          [1, 'delivered'],
        ],
        { waitingOn: 'Waiting for the device to accept the offer.' },
      ),
      'Waiting for the device to accept the offer.',
    ],
  ])('explains an end in one sentence from the history: %s', (_what, one, sentence) => {
    expect(story(one)).toBe(sentence);
  });

  it('draws a line per device that fits into 80 columns and 60 rows', () => {
    const lines = picture(
      Array.from({ length: 50 }, (_, index) => actor(index % 2 ? 'child-1a' : 'gateway-1', 'downloading')),
      1_000,
      80,
      60,
    );
    expect(lines).toHaveLength(51);
    for (const line of lines) expect(plain(line).length).toBeLessThanOrEqual(80);
  });

  it('draws fewer lines than a small terminal has rows, counts those that have ended, and says how many it does not show', () => {
    const actors = Array.from({ length: 50 }, (_, index) =>
      actor(`switch-${index}`, index < 10 ? 'installed' : index < 12 ? 'failed' : 'downloading'),
    );
    const lines = picture(actors, 1_000, 80, 24).map(plain);
    expect(lines.length).toBeLessThan(24);
    expect(lines.at(-2)).toBe('10 installed, 2 failed');
    expect(lines.at(-3)).toMatch(/^… and \d+ more/);
  });

  it('prints its table in 80 columns, and marks what did not end as it should', () => {
    const outcome: Outcome = {
      name: 'switch-01',
      isChild: false,
      profile: 'good',
      expected: { state: 'installed', because: 'nothing goes wrong' },
      installation: installation('failed', [...TAKEN, [3, 'failed', SELF]], { rejectReason: 'BUSY: in use' }),
      wrong: undefined,
    };
    const printed = table([outcome]);
    for (const line of printed.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
    expect(isAsExpected(outcome)).toBe(false);
    expect(printed).toContain('! It should have ended as installed');
  });
});
