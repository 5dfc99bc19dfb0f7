import { describe, expect, it } from '@jest/globals';
import { faultsOf } from '../../../api/http/errors.js';
import { newRollout } from '../../../protocol/http/rollout-plan.js';
import { toPlan } from '../../../protocol/http/to-plan.js';
import { FIRMWARE, LEAST } from '../../support/rollout-plan.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function made(sent: Record<string, unknown> = {}) {
  return toPlan(newRollout.parse({ ...LEAST, ...sent }));
}

/** What is refused of a body: pointer → sentence. */
function refused(sent: Record<string, unknown>): Record<string, string> {
  const parsed = newRollout.safeParse({ ...LEAST, ...sent });
  return Object.fromEntries(faultsOf(parsed.error?.issues ?? [], '').map(({ pointer, detail }) => [pointer, detail]));
}

describe('What an operator leaves out', () => {
  const DEFAULT_GATE = { minSuccess: 0.95, minSample: 'all', maxFailureRate: null, confidence: null };
  const ONE = { name: 'all', percent: null, count: null, filter: null, soak: 0, gate: DEFAULT_GATE, approval: null };

  it.each<[string, string, unknown]>([
    ['the pace is 100 in flight', '/pace/maxInFlight', 100],
    ['1,000 starts a minute', '/pace/startsPerMinute', 1_000],
    ['no ramp', '/pace/ramp', null],
    ['only devices that are online are admitted', '/pace/offline', 'wait'],
    [
      '10 % that went wrong in any way, judged after 10, pause it',
      '/stopIf',
      [{ outcome: 'any', share: 0.1, after: 10, then: 'pause' }],
    ],
    ['a device is away after a day', '/pace/awayAfter', DAY],
    ['it starts by command', '/schedule/startAt', null],
    ['it has no end', '/schedule/endAt', null],
    ['at its end what is open goes on', '/schedule/atEnd', 'stopAdmitting'],
    ['3 attempts', '/retry/maxAttempts', 3],
    ['a back-off of 5 minutes', '/retry/backoff/first', 5 * MINUTE],
    ['times 2', '/retry/backoff/factor', 2],
    ['up to 6 hours', '/retry/backoff/max', 6 * HOUR],
    ['all kinds of failures are tried again', '/retry/on', ['download', 'install', 'timeout']],
    ['an hour to accept the offer', '/timeouts/offer', HOUR],
    ['an hour for the download', '/timeouts/download', HOUR],
    ['30 minutes to install', '/timeouts/install', 30 * MINUTE],
    ['15 minutes to confirm', '/timeouts/confirm', 15 * MINUTE],
    ['30 days for each target', '/timeouts/target', 30 * DAY],
    ['no soak on the device', '/confirm/soak', 0],
    ['it queues behind what is open', '/onConflict', 'queue'],
    ['the usual priority', '/priority', 0],
    ['no approver', '/approval/required', 0],
    ['one person may do all', '/approval/fourEyes', false],
    ['nothing goes back to an older version', '/allowDowngrade', false],
  ])('has a default that is safe and shown: %s', (_what, pointer, value) => {
    const { plan, defaulted } = made();
    expect(defaulted).toContain(pointer);
    expect(
      pointer
        .split('/')
        .slice(1)
        .reduce((at: unknown, key) => (at as Record<string, unknown>)[key], plan),
    ).toEqual(value);
  });

  it('are the groups: a canary of 1 %, 10 %, the rest', () => {
    const { plan, defaulted } = made();
    expect(plan.groups).toEqual(
      [{ ...ONE, name: 'canary', percent: 1 }, { ...ONE, name: 'early', percent: 10 }, ONE].map((group, index) =>
        index === 2 ? { ...group, name: 'rest' } : group,
      ),
    );
    expect(defaulted.filter((pointer) => pointer.startsWith('/groups'))).toEqual(['/groups']);
  });

  it('of a group is filled in for this group: soak, gate, no confidence test, no approval', () => {
    const { plan, defaulted } = made({ groups: [{ name: 'all', gate: { minSuccess: 0.9 } }] });
    expect(plan.groups).toEqual([{ ...ONE, gate: { ...DEFAULT_GATE, minSuccess: 0.9 } }]);
    expect(defaulted.filter((pointer) => pointer.startsWith('/groups'))).toEqual([
      '/groups/0/soak',
      '/groups/0/gate/minSample',
      '/groups/0/gate/maxFailureRate',
      '/groups/0/gate/confidence',
      '/groups/0/approval',
    ]);
  });

  it('of an approval and of a stop rule is filled in', () => {
    const { plan, defaulted } = made({
      groups: [{ name: 'all', approval: {} }],
      stopIf: [{ outcome: 'any', share: 0.2 }],
    });
    expect(plan.groups[0]!.approval).toEqual({ required: 1, expiresAfter: null, onExpiry: 'hold' });
    expect(plan.stopIf).toEqual([{ outcome: 'any', share: 0.2, after: 10, then: 'pause' }]);
    expect(defaulted).toEqual(
      expect.arrayContaining([
        '/groups/0/approval/required',
        '/groups/0/approval/expiresAfter',
        '/groups/0/approval/onExpiry',
        '/stopIf/0/after',
        '/stopIf/0/then',
      ]),
    );
  });

  it('adapts to other members: a first back-off of a day has no maximum of six hours', () => {
    expect(made({ retry: { backoff: { first: 'P1D' } } }).plan.retry.backoff).toEqual({
      first: DAY,
      factor: 2,
      max: DAY,
    });
    expect(made({ retry: { backoff: { max: 'PT1M' } } }).plan.retry.backoff).toEqual({
      first: MINUTE,
      factor: 2,
      max: MINUTE,
    });
  });
});

describe('What an operator sends', () => {
  it('is in the plan as it was sent, and no default is shown for it', () => {
    const { plan, defaulted } = made({
      description: 'to all of them',
      targets: { filter: 'tag==north', deviceIds: [FIRMWARE], dynamic: false },
      groups: [
        {
          name: 'canary',
          count: 5,
          soak: 'PT2H',
          gate: { minSuccess: 0.98, minSample: 5, maxFailureRate: 0.05, confidence: 0.95 },
          approval: { required: 2, expiresAfter: 'P3D', onExpiry: 'abort' },
        },
        {
          name: 'lab',
          filter: 'tag==lab',
          soak: 'PT0S',
          gate: { minSuccess: 1, minSample: 1, maxFailureRate: 0.1, confidence: 0.9 },
          approval: { required: 0 },
        },
      ],
      pace: {
        maxInFlight: 500,
        startsPerMinute: 900,
        ramp: { from: 50, factor: 2, every: { succeeded: 1_000 } },
        offline: 'offer',
        awayAfter: 'P2D',
      },
      stopIf: [],
      schedule: { startAt: '2026-12-01T02:00:00+02:00', endAt: '2026-12-02T00:00:00Z', atEnd: 'cancelOpen' },
      retry: { maxAttempts: 1, backoff: { first: 'PT1S', factor: 3, max: 'PT1M' }, on: [] },
      timeouts: { offer: 'P7D', download: 'PT2H', install: 'PT1H', confirm: 'PT1M', target: 'P60D' },
      confirm: { soak: 'PT10M' },
      onConflict: 'supersede',
      priority: -1,
      approval: { required: 1, fourEyes: true },
      allowDowngrade: true,
    });
    expect(defaulted).toEqual([]);
    expect(plan).toMatchObject({
      targets: { filter: 'tag==north', deviceIds: [FIRMWARE] },
      stopIf: [],
      schedule: { startAt: Date.UTC(2026, 11, 1), endAt: Date.UTC(2026, 11, 2), atEnd: 'cancelOpen' },
      timeouts: { offer: 7 * DAY, target: 60 * DAY },
      retry: { maxAttempts: 1, on: [] },
      confirm: { soak: 10 * MINUTE },
      onConflict: 'supersede',
    });
    expect(plan.groups.map((group) => group.approval)).toEqual([
      { required: 2, expiresAfter: 3 * DAY, onExpiry: 'abort' },
      null,
    ]);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  it('of what comes later may say what holds anyway', () => {
    expect(
      refused({
        steps: [{ slot: 'firmware', firmwareId: FIRMWARE, irreversible: false }],
        onStepFailure: 'stop',
        targets: { filter: 'id==*', dynamic: false },
        order: { gateways: 'any', spread: null },
        pace: { perSite: null },
        schedule: { window: null, freezes: [] },
        templateId: null,
      }),
    ).toEqual({});
  });

  it.each<[string, string, Record<string, unknown>]>([
    ['more than one step', '/steps/1', { steps: [LEAST.steps[0], { slot: 'bootloader', firmwareId: FIRMWARE }] }],
    ['a step that is irreversible', '/steps/0/irreversible', { steps: [{ ...LEAST.steps[0], irreversible: true }] }],
    ['the undo of steps', '/onStepFailure', { onStepFailure: 'compensate' }],
    ['gateways first', '/order/gateways', { order: { gateways: 'first' } }],
    ['gateways last', '/order/gateways', { order: { gateways: 'last' } }],
    ['a spread over sites', '/order/spread', { order: { spread: { by: 'site', maxShareInFlight: 0.5 } } }],
    ['a pace for each site', '/pace/perSite', { pace: { perSite: { maxInFlight: 2, bytesPerSecond: 2_000_000 } } }],
    [
      'a window',
      '/schedule/window',
      { schedule: { window: { rrule: 'FREQ=DAILY;BYHOUR=2', duration: 'PT3H', timezone: 'device' } } },
    ],
    [
      'a freeze',
      '/schedule/freezes/0',
      { schedule: { freezes: [{ from: '2026-12-20', to: '2027-01-04', timezone: 'device' }] } },
    ],
  ])('is refused where it is not supported yet, with what to do instead: %s', (_what, pointer, sent) => {
    const faults = refused(sent);
    expect(Object.keys(faults)).toEqual([pointer]);
    expect(faults[pointer]).toMatch(/not supported yet; [a-z]+ .{10,}/);
  });

  it.each<[string, string, Record<string, unknown>]>([
    ['an unknown member', '/soak', { soak: 'PT1H' }],
    ['one inside', '/groups/0/gate/minsuccess', { groups: [{ name: 'all', gate: { minsuccess: 1 } }] }],
    ['no steps', '/steps', { steps: [] }],
    ['a firmware that is no id', '/steps/0/firmwareId', { steps: [{ slot: 'firmware', firmwareId: '1.5.0' }] }],
    ['a duration in words', '/groups/0/soak', { groups: [{ name: 'all', soak: '2 hours' }] }],
    ['a duration in months', '/timeouts/target', { timeouts: { target: 'P1M' } }],
    ['a share in percent', '/stopIf/0/share', { stopIf: [{ outcome: 'failed', share: 5 }] }],
    ['a percent above 100', '/groups/0/percent', { groups: [{ name: 'all', percent: 101 }] }],
    ['a group of nothing', '/groups/0/count', { groups: [{ name: 'all', count: 0 }] }],
    ['a name that needs an escape in a path', '/groups/0/name', { groups: [{ name: 'store/17' }] }],
    ['a device twice', '/targets/deviceIds/1', { targets: { deviceIds: [FIRMWARE, FIRMWARE.toUpperCase()] } }],
    ['a time without an offset', '/schedule/startAt', { schedule: { startAt: '2026-12-01T02:00:00' } }],
    ['nothing in flight', '/pace/maxInFlight', { pace: { maxInFlight: 0 } }],
    ['an invalid outcome', '/stopIf/0/outcome', { stopIf: [{ outcome: 'installed', share: 0.1 }] }],
  ])('is refused with its pointer where it is wrong: %s', (_what, pointer, sent) => {
    expect(Object.keys(refused(sent))).toEqual([pointer]);
  });

  it('is refused for all its faults at once', () => {
    expect(
      Object.keys(
        refused({
          name: '',
          onStepFailure: 'compensate',
          pace: { maxInFlight: -1 },
          stopIf: [{ outcome: 'failed', share: 0.1, then: 'explode' }],
        }),
      ).sort(),
    ).toEqual(['/name', '/onStepFailure', '/pace/maxInFlight', '/stopIf/0/then']);
  });
});
