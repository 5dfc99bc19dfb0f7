import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import { given, HOUR, MINUTE, NEW, OLD, T0 } from './fleet-of-one.js';

/** A character that was cut in half. */
const HALF = /\p{Surrogate}/u;

describe('An installation on one device', () => {
  it('goes from request to confirmed slot, and the slot says what it holds', () => {
    const end = given()
      .requested('a')
      .begins('a')
      .reports('a', 'accepted')
      .reports('a', 'downloading')
      .reports('a', 'downloaded')
      .reports('a', 'installing')
      .reports('a', 'rebooting')
      .reports('a', 'installed');
    expect(end.of('a')).toMatchObject({
      state: 'installed',
      executing: false,
      startedAt: T0,
      completedAt: T0,
      dueAt: null,
    });
    expect(end.aggregate.slots.firmware).toMatchObject({
      sha256: NEW,
      version: '2.0.0',
      firmwareId: 'f',
      installationId: 'a',
      confirmed: true,
    });
  });

  it('I5 accepts a later state before the document was published: installed by hand', () => {
    expect(given().requested('a').reports('a', 'installed').of('a').state).toBe('installed');
    expect(given().requested('a').reports('a', 'rebooting').of('a')).toMatchObject({
      state: 'rebooting',
      executing: true,
    });
  });

  it('I4 ignores what it has already seen', () => {
    const once = given().requested('a').begins('a').reports('a', 'downloaded');
    expect(once.reports('a', 'downloading').of('a')).toBe(once.of('a'));
    expect(once.reports('a', 'downloaded').last).toBe('unchanged');
  });

  it('I3 refuses a report that contradicts how it ended, and takes a repetition for a success', () => {
    const ended = given().requested('a').begins('a').reports('a', 'installed');
    expect(ended.fails('a', 'INSTALL_FAILED').last).toBe('ended');
    expect(ended.reports('a', 'installed').last).toBe('unchanged');
  });

  it('I6 refuses reports of an attempt that is over, or that has not begun', () => {
    const second = given().requested('a').begins('a').fails('a', 'HASH_MISMATCH');
    expect(second.of('a').attempt).toBe(2);
    expect(second.reports('a', 'installed', 1).last).toBe('stale_attempt');
    expect(second.reports('a', 'installed', 3).last).toBe('unknown_attempt');
  });

  it('I14 concludes at once where the slot holds the content, without an offer', () => {
    const end = given().hello(NEW).requested('a').begins('a');
    expect(end.of('a')).toMatchObject({ state: 'installed', alreadyInstalled: true, revision: null });
  });

  it('waits for notBefore, and begins then', () => {
    const early = given()
      .requested('a', { notBefore: T0 + HOUR, dueAt: T0 + HOUR })
      .begins('a');
    expect(early.of('a').state).toBe('scheduled');
    expect(early.after(HOUR).begins('a').of('a').state).toBe('delivered');
  });
});

describe('What confirms', () => {
  it('I7 a hello with the content, brought by this installation, concludes although every status was lost', () => {
    expect(given().requested('a').begins('a').hello(NEW, { installationId: 'a' }).of('a').state).toBe('installed');
  });

  it('I7 a hello that names no installation concludes where the slot held something else before', () => {
    expect(given().requested('a').begins('a').hello(NEW).of('a').state).toBe('installed');
  });

  it('I7 content that the device shows while its next attempt waits concludes when that begins', () => {
    const lost = given().requested('a').begins('a').reports('a', 'accepted').fails('a', 'DOWNLOAD_FAILED');
    expect(lost.of('a')).toMatchObject({ state: 'scheduled', attempt: 2 });
    expect(lost.after(5_000).hello(NEW).after(5_000).begins('a').of('a')).toMatchObject({
      state: 'installed',
      alreadyInstalled: true,
      completedAt: T0 + 10_000,
    });
    expect(lost.after(5_000).hello(OLD).after(5_000).begins('a').of('a').state).toBe('delivered');
  });

  it('I7 a hello whose content is not confirmed, or came by another installation, concludes nothing', () => {
    expect(given().requested('a').begins('a').hello(NEW, { confirmed: false }).of('a').state).toBe('delivered');
    expect(given().requested('a').begins('a').hello(NEW, { installationId: 'other' }).of('a').state).toBe('delivered');
  });

  it('I7 a late hello with the old content changes nothing while the device works', () => {
    expect(given().requested('a').begins('a').reports('a', 'rebooting').hello(OLD).of('a').state).toBe('rebooting');
  });

  it('I8 with a soak it is confirming until the soak is over', () => {
    const soaking = given().withPolicy('a', { soak: HOUR }).begins('a').reports('a', 'installed');
    expect(soaking.of('a')).toMatchObject({ state: 'confirming', completedAt: null, dueAt: T0 + HOUR });
    expect(soaking.after(MINUTE).does('a', { type: 'deadline' }).of('a').state).toBe('confirming');
    expect(soaking.timerFires('a').of('a')).toMatchObject({ state: 'installed', completedAt: T0 + HOUR });
  });

  it('I8 other content during the soak is a rollback', () => {
    const end = given().withPolicy('a', { soak: HOUR }).begins('a').reports('a', 'installed').hello(OLD);
    expect(end.of('a')).toMatchObject({ state: 'failed', error: { code: 'BOOT_FAILED_ROLLED_BACK' } });
  });
});

describe('A failed attempt', () => {
  it('I9 is tried again with a back-off that doubles, and its turn is free meanwhile', () => {
    const second = given().requested('a').begins('a').fails('a', 'HASH_MISMATCH');
    expect(second.of('a')).toMatchObject({
      state: 'scheduled',
      attempt: 2,
      executing: false,
      retryAt: T0 + 10_000,
      dueAt: T0 + 10_000,
      rejectedAt: null,
    });
    const third = second.after(10_000).begins('a').fails('a', 'HASH_MISMATCH');
    expect(third.of('a')).toMatchObject({ attempt: 3, retryAt: T0 + 10_000 + 20_000 });
  });

  it('keeps of a long reason whole characters, or nothing of it could be stored', () => {
    const end = given()
      .requested('a')
      .begins('a')
      .does('a', { type: 'failed', error: { code: 'INCOMPATIBLE', message: '💥'.repeat(200) } });
    const reason = end.of('a').rejectReason!;
    expect([reason.length <= 255, HALF.test(reason), reason.endsWith('💥…')]).toEqual([true, false, true]);
    const odd = given()
      .requested('a')
      .begins('a')
      .does('a', { type: 'failed', error: { code: 'INCOMPATIBLE', message: `-${'💥'.repeat(200)}` } });
    expect([odd.of('a').rejectReason!.length <= 255, HALF.test(odd.of('a').rejectReason!)]).toEqual([true, false]);
  });

  it('I9 ends as failed when no attempt is left', () => {
    const end = given()
      .withPolicy('a', { retry: { ...DEFAULT_POLICY.retry, maxAttempts: 1 } })
      .begins('a')
      .fails('a', 'DOWNLOAD_FAILED');
    expect(end.of('a')).toMatchObject({ state: 'failed', rejectReason: 'DOWNLOAD_FAILED: it went wrong' });
  });

  it.each([
    ['INCOMPATIBLE', undefined, 'failed'],
    ['INCOMPATIBLE', true, 'failed'],
    ['SIGNATURE_INVALID', undefined, 'failed'],
    ['BOOT_FAILED_ROLLED_BACK', undefined, 'failed'],
    ['HASH_MISMATCH', undefined, 'scheduled'],
    ['HASH_MISMATCH', false, 'failed'],
    ['BUSY', undefined, 'scheduled'],
    ['CHILD_UNREACHABLE', undefined, 'scheduled'],
    ['SOMETHING_NEW', undefined, 'failed'],
    ['SOMETHING_NEW', true, 'scheduled'],
  ] as const)('I9 goes by the class of its error: %s, retriable %s, is then %s', (code, retriable, state) => {
    expect(given().requested('a').begins('a').fails('a', code, retriable).of('a').state).toBe(state);
  });

  it.each(['failed', 'rejected'] as const)('has a reason also where the device reports only %s', (state) => {
    expect(given().requested('a').begins('a').does('a', { type: state }).of('a')).toMatchObject({
      state,
      rejectReason: `the device reported ${state} without a reason`,
    });
    const code = given()
      .requested('a')
      .begins('a')
      .does('a', { type: state, error: { code: 'INCOMPATIBLE', message: '' } });
    expect(code.of('a')).toMatchObject({ state, rejectReason: 'INCOMPATIBLE' });
  });

  it('an operator who rejects it over REST ends it, also with attempts left', () => {
    const end = given()
      .requested('a')
      .begins('a')
      .does('a', { type: 'rejected', reason: 'not on this line', final: true });
    expect(end.of('a')).toMatchObject({ state: 'rejected', rejectReason: 'not on this line' });
  });
});

describe('The queue of one device', () => {
  it('I2 one executes, the others are queued', () => {
    expect(given().requested('a').requested('b').begins('a').begins('b').states()).toEqual({
      a: 'delivered',
      b: 'queued',
    });
  });

  it('I13 a free turn goes to the highest priority, then to the oldest', () => {
    const line = given()
      .requested('a')
      .after(1)
      .requested('b')
      .after(1)
      .requested('c', { priority: 5 })
      .after(1)
      .requested('d')
      .begins('a')
      .begins('b')
      .begins('c')
      .begins('d')
      .reports('a', 'installed');
    expect(line.of('c').executing).toBe(true);
    expect(line.begins('c').reports('c', 'canceled').of('b').executing).toBe(true);
  });

  it('I4 a repeated start has no effect, neither while it is deferred nor during a back-off', () => {
    const deferred = given().requested('a').begins('a').reports('a', 'accepted').does('a', { type: 'deferred' });
    expect([
      deferred.reports('a', 'accepted').of('a').state,
      deferred.reports('a', 'accepted', 1).of('a').state,
    ]).toEqual(['deferred', 'accepted']);
    const waiting = given().requested('a').begins('a').reports('a', 'accepted').fails('a', 'HASH_MISMATCH');
    expect(waiting.reports('a', 'accepted').of('a')).toMatchObject({ state: 'scheduled', attempt: 2, startedAt: T0 });
  });

  it('I13 of those that are due at the same time the first in line begins, whichever process asks first', () => {
    const line = given()
      .requested('a', { notBefore: T0 + 10 })
      .after(1)
      .requested('b', { notBefore: T0 + 10 })
      .after(1)
      .requested('c', { notBefore: T0 + 10, priority: 5 })
      .requested('d', { notBefore: T0 + 99, priority: 9 });
    const begun = line.after(8).begins('b');
    expect(begun.states()).toEqual({ a: 'scheduled', b: 'queued', c: 'delivered', d: 'scheduled' });
    expect(begun.begins('c').begins('a').states()).toEqual({
      a: 'queued',
      b: 'queued',
      c: 'delivered',
      d: 'scheduled',
    });
    expect(begun.begins('a').reports('c', 'installed').of('a')).toMatchObject({ state: 'queued', executing: true });
  });

  it('I13 a back-off frees the turn for the next one', () => {
    const line = given()
      .requested('a')
      .requested('b', { sha256: 'c'.repeat(64) })
      .begins('a')
      .begins('b')
      .fails('a', 'BUSY');
    expect(line.of('b').executing).toBe(true);
    expect(line.begins('b').after(10_000).begins('a').of('a').state).toBe('queued');
  });

  it('I13 what a person began out of turn gets the turn too', () => {
    const line = given()
      .requested('a')
      .requested('b', { sha256: 'c'.repeat(64) })
      .begins('a')
      .reports('b', 'accepted');
    expect(line.of('b')).toMatchObject({ state: 'accepted', executing: false });
    expect(line.reports('a', 'installed').of('b').executing).toBe(true);
  });

  it('I12 the revision of a slot rises over all that was used and reported', () => {
    const line = given().hello(OLD, { revision: 41 }).requested('a').begins('a');
    expect(line.of('a').revision).toBe(42);
    expect(line.fails('a', 'BUSY').after(10_000).begins('a').of('a').revision).toBe(43);
  });
});

describe('A database restored from a backup', () => {
  it('I12 publishes under a revision above what the device has seen, or it would be ignored for ever', () => {
    const restored = given().requested('a').begins('a');
    expect(restored.of('a').revision).toBe(1);
    expect(restored.hello(OLD, { revision: 7 }).of('a').revision).toBe(8);
    expect(restored.hello(OLD, { revision: 1 }).of('a').revision).toBe(1);
  });
});

describe('The gate', () => {
  it('I1 holds what was downloaded without a deadline, and a release is a new revision', () => {
    const held = given().requested('a', { gate: 'hold' }).begins('a').reports('a', 'downloaded');
    expect(held.of('a').dueAt).toBeNull();
    const released = held.after(HOUR).does('a', { type: 'release' });
    expect(released.of('a')).toMatchObject({ gate: 'go', revision: 2, dueAt: T0 + HOUR + 30 * MINUTE });
  });
});
