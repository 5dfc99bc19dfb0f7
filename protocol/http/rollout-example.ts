/** A canary of ten out of a thousand devices, for the OpenAPI document; a test holds it against its schema. */
const NONE = { pending: 0, queued: 0, inFlight: 0, installed: 0, alreadyInstalled: 0, failed: 0, rejected: 0, canceled: 0, timedOut: 0, superseded: 0, bytes: 0 };
const GATE = { minSuccess: 0.95, minSample: 1, maxFailureRate: null, confidence: null };
const WAITING = { ...GATE, verdict: 'wait', because: '0 of 1 targets that the gate asks for have ended', bound: null };
const CLOSED = { rollBack: null, state: 'pending', openedAt: null, passedAt: null, failedAt: null, because: null };

export const ROLLOUT_EXAMPLE = {
  id: '123e4567-e89b-12d3-a456-426655440010',
  name: 'switch 1.5.0',
  description: null,
  steps: [{ slot: 'firmware', firmwareId: '123e4567-e89b-12d3-a456-426655440000' }],
  targets: { filter: 'deviceType==LS-1;tag==north', deviceIds: [], dynamic: false },
  groups: [
    {
      name: 'canary', percent: 1, soak: 'PT2H',
      gate: { minSuccess: 0.98, minSample: 5, maxFailureRate: null, confidence: null, verdict: 'wait', because: '3 of 5 targets that the gate asks for have ended', bound: null },
      approval: { required: 1, expiresAfter: 'P3D', onExpiry: 'hold', askedAt: null, given: [] },
      state: 'running', size: 10, counters: { ...NONE, pending: 4, inFlight: 3, installed: 3, bytes: 62_914_560 }, openedAt: '2026-11-24T10:00:00.000Z', passedAt: null, failedAt: null, because: null, rollBack: null,
    },
    { name: 'early', percent: 10, soak: 'PT0S', gate: WAITING, approval: null, size: 100, counters: { ...NONE, pending: 100 }, ...CLOSED },
    { name: 'rest', soak: 'PT0S', gate: WAITING, approval: null, size: 890, counters: { ...NONE, pending: 890 }, ...CLOSED },
  ],
  pace: { maxInFlight: 500, startsPerMinute: 1_000, ramp: null, offline: 'wait' },
  stopIf: [{ outcome: 'failed', share: 0.1, after: 10, then: 'pause' }],
  schedule: { startAt: null, endAt: null, atEnd: 'stopAdmitting' },
  retry: { maxAttempts: 3, backoff: { first: 'PT5M', factor: 2, max: 'PT6H' }, on: ['download', 'install', 'timeout'] },
  timeouts: { offer: 'PT1H', download: 'PT1H', install: 'PT30M', confirm: 'PT15M', target: 'P30D' },
  confirm: { soak: 'PT0S' },
  onConflict: 'queue',
  priority: 0,
  approval: { required: 0, fourEyes: false },
  allowDowngrade: false,
  defaults: ['/groups/1/soak', '/pace/startsPerMinute', '/stopIf', '/timeouts/target'],
  templateId: null,
  fromTemplate: [],
  version: 1,
  phase: 'running',
  because: 'It runs since 2026-11-24T10:00:00.000Z.',
  waitingOn: 'Waits for 4 devices to come online; 3 in flight.',
  nextActionAt: '2026-12-24T10:00:00.000Z',
  eta: null,
  pauses: [],
  counters: { ...NONE, pending: 994, inFlight: 3, installed: 3, bytes: 62_914_560 },
  approvals: [],
  createdBy: 'key:admin',
  createdAt: '2026-11-24T09:58:00.000Z',
  updatedAt: '2026-11-24T10:04:00.000Z',
  startedAt: '2026-11-24T10:00:00.000Z',
  finishedAt: null,
  abortedAt: null,
  workflowUrl: null,
};
