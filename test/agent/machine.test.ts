import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import {
  acknowledged,
  advanced,
  cancelAsked,
  documentArrived,
  ended,
  helloAnswered,
  type Change,
} from '../../agent/core/machine.js';
import { nextTurn } from '../../agent/core/readiness.js';
import {
  EMPTY_STATE,
  isCommitted,
  keyOf,
  PHASES,
  slotOf,
  type AgentState,
  type Phase,
} from '../../agent/core/state.js';

const NOW = { wall: 1_800_000_000_000, monotonic: 5_000, boot: 'one' };
const IDS = ['a', 'b', 'c'].map((letter) => `00000000-0000-4000-8000-00000000000${letter}`);

function documentOf(revision: number, also: Partial<Desired> = {}): Desired {
  return {
    v: 1,
    revision,
    installationId: IDS[0]!,
    attempt: 1,
    issuedAt: '2026-11-24T10:00:00Z',
    slot: 'firmware',
    device: { id: 'd-1', aliases: [] },
    firmware: { id: IDS[0]!, name: 'OSR', version: '1.5.0', size: 1, sha256: 'ab'.repeat(32), contentType: 'x' },
    download: { url: 'http://x' },
    gate: 'go',
    policy: { maxDeferSeconds: 0, confirmWithinSeconds: 1, retryDownload: 0 },
    ...also,
  };
}
const at = (phase: Phase, desired = documentOf(1)): AgentState => {
  const { state } = documentArrived(EMPTY_STATE, desired.slot, desired, NOW);
  return advanced(state, keyOf(desired), phase, NOW, { state: 'accepted' })?.state ?? state;
};
const jobIn = (state: AgentState) => slotOf(state, 'firmware').job;
const said = (change: Change | null) => change?.say.map(({ state, error }) => error?.code ?? state);

describe("the device's state machine", () => {
  it.each(PHASES)('answers a cleared document by its phase: %s', (phase) => {
    const change = documentArrived(at(phase), 'firmware', null, NOW);
    const answer = { ignored: [], installing: ['CANCEL_TOO_LATE'], rebooting: ['CANCEL_TOO_LATE'] }[
      phase as string
    ] ?? ['canceled'];
    expect(said(change)).toEqual(answer);
    expect(jobIn(change.state) !== null).toBe(phase === 'installing' || phase === 'rebooting');
  });

  it('says CANCEL_TOO_LATE once, however often it is asked', () => {
    const first = cancelAsked(at('installing'), IDS[0], NOW);
    expect(said(cancelAsked(first.state, IDS[0], NOW))).toEqual([]);
  });

  it('keeps what arrived while it could not be stopped, and takes it up at the end', () => {
    const other = documentOf(2, { installationId: IDS[1]! });
    const queued = documentArrived(at('installing'), 'firmware', other, NOW);
    expect(jobIn(queued.state)?.desired.installationId).toBe(IDS[0]);
    const end = ended(queued.state, keyOf(documentOf(1)), { state: 'installed' }, NOW);
    expect(jobIn(end!.state)).toMatchObject({ phase: 'offered', seq: 0, desired: other });
  });

  it('drops an attempt silently when the service has started the next one', () => {
    const change = documentArrived(at('downloading'), 'firmware', documentOf(2, { attempt: 2 }), NOW);
    expect([said(change), change.stop, jobIn(change.state)?.desired.attempt]).toEqual([[], ['firmware'], 2]);
  });

  it("does not let a worker touch the attempt that took its attempt's place", () => {
    const { state } = documentArrived(at('downloading'), 'firmware', documentOf(2, { attempt: 2 }), NOW);
    expect(advanced(state, keyOf(documentOf(1)), 'downloaded', NOW, { state: 'downloaded' })).toBeNull();
    expect(ended(state, keyOf(documentOf(1)), { state: 'installed' }, NOW)).toBeNull();
  });

  it.each([
    ['what is being installed goes before what was asked for earlier', 'installing' as const, {}, 'other'],
    ['what waits for a go does not stand in the way', 'downloaded' as const, { gate: 'hold' as const }, 'firmware'],
    [
      'what waits for its time does not stand in the way',
      'accepted' as const,
      { notBefore: new Date(NOW.wall + 1).toISOString() },
      'firmware',
    ],
    ['the oldest request goes first', 'accepted' as const, { issuedAt: '2026-11-24T09:00:00Z' }, 'other'],
  ])('chooses what to work on: %s', (_sentence, phase, also, expected) => {
    const other = documentOf(1, { slot: 'other', ...also });
    const both = documentArrived(at(phase, other), 'firmware', documentOf(1), NOW).state;
    const turn = nextTurn(both, NOW, 0);
    expect('job' in turn ? turn.job.desired.slot : turn.inMs).toBe(expected);
  });

  it('says when to look again where everything waits', () => {
    expect(
      nextTurn(at('accepted', documentOf(1, { notBefore: new Date(NOW.wall + 5).toISOString() })), NOW, 0),
    ).toEqual({
      inMs: 5,
    });
    expect(nextTurn(at('downloaded'), NOW, NOW.monotonic + 9)).toEqual({ inMs: 9 });
    expect(nextTurn(at('ignored'), NOW, 0)).toEqual({ inMs: null });
  });

  it('keeps its invariants for any input: revisions rise, statuses are counted, what is committed ends only by itself, and state is plain data', () => {
    const id = fc.constantFrom(...IDS);
    const event = fc.oneof(
      fc.record({
        do: fc.constant('document' as const),
        revision: fc.integer({ min: 1, max: 12 }),
        installationId: id,
        attempt: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({ do: fc.constant('clear' as const) }),
      fc.record({ do: fc.constant('cancel' as const), installationId: fc.option(id, { nil: undefined }) }),
      fc.record({
        do: fc.constant('open' as const),
        told: fc.integer({ min: 0, max: 12 }),
        installationId: fc.option(id, { nil: undefined }),
      }),
      fc.record({ do: fc.constant('advance' as const), phase: fc.constantFrom(...PHASES) }),
      fc.record({ do: fc.constant('end' as const), state: fc.constantFrom('installed' as const, 'failed' as const) }),
      fc.record({ do: fc.constant('ack' as const) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        let state = EMPTY_STATE;
        const seqs = new Map<string, number>();
        for (const one of events) {
          const before = slotOf(state, 'firmware');
          const key = before.job
            ? keyOf(before.job.desired)
            : { slot: 'firmware', installationId: IDS[0]!, attempt: 1 };
          const changes = {
            document: () =>
              documentArrived(
                state,
                'firmware',
                documentOf((one as { revision: number }).revision, one as Partial<Desired>),
                NOW,
              ),
            clear: () => documentArrived(state, 'firmware', null, NOW),
            cancel: () => cancelAsked(state, (one as { installationId?: string }).installationId, NOW),
            open: () => {
              const { told, installationId } = one as { told: number; installationId?: string };
              return helloAnswered(
                state,
                { firmware: told },
                installationId === undefined ? {} : { firmware: { installationId } },
                NOW,
              );
            },
            advance: () => advanced(state, key, (one as { phase: Phase }).phase, NOW, { state: 'accepted' }),
            end: () => ended(state, key, { state: (one as { state: 'installed' | 'failed' }).state }, NOW),
            ack: () =>
              acknowledged(
                state,
                state.unacknowledged[0]
                  ? `${state.unacknowledged[0].installationId}/${state.unacknowledged[0].attempt}/${state.unacknowledged[0].seq}`
                  : 'nothing',
              ),
          };
          const change = changes[one.do]();
          if (change === null) continue;
          const after = slotOf(change.state, 'firmware');
          expect(after.revision).toBeGreaterThanOrEqual(before.revision);
          if (before.job && isCommitted(before.job) && one.do !== 'end')
            expect(after.job?.desired.installationId).toBe(before.job.desired.installationId);
          for (const status of change.say) {
            const name = `${status.installationId}/${status.attempt}`;
            const isAgain =
              status.seq === (before.ended?.seq ?? -1) && before.ended?.installationId === status.installationId;
            if (!isAgain) expect(status.seq).toBe(status.seq === 1 ? 1 : (seqs.get(name) ?? 0) + 1);
            seqs.set(name, status.seq);
          }
          expect(JSON.parse(JSON.stringify(change.state))).toEqual(change.state);
          state = change.state;
        }
      }),
    );
  });
});
