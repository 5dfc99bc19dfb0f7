import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import { waitingOn } from '../../domain/installation/waiting-on.js';
import { given, HOUR, MINUTE, NEW, T0 } from './fleet-of-one.js';

describe('Deadlines', () => {
  it('I1 an offer that is not accepted ends as timed_out', () => {
    expect(given().requested('a').begins('a').timerFires('a').of('a')).toMatchObject({
      state: 'timed_out',
      rejectReason: 'the device did not accept the offer in time',
    });
  });

  it('I15 a download that advances extends its deadline', () => {
    const advancing = given()
      .requested('a')
      .begins('a')
      .reports('a', 'downloading')
      .after(50 * MINUTE)
      .does('a', { type: 'progress', phase: 'download', bytes: 10, total: 20 });
    expect(advancing.of('a').dueAt).toBe(T0 + 50 * MINUTE + HOUR);
    const repeated = advancing.after(MINUTE).does('a', { type: 'progress', phase: 'download', bytes: 10, total: 20 });
    expect(repeated.of('a').dueAt).toBe(T0 + 50 * MINUTE + HOUR);
  });

  it('I15 a download that stalls is an attempt that failed', () => {
    expect(given().requested('a').begins('a').reports('a', 'downloading').timerFires('a').of('a')).toMatchObject({
      state: 'scheduled',
      attempt: 2,
      error: { code: 'DOWNLOAD_TIMED_OUT' },
    });
  });

  it('I11 after the reboot, silence asks for a hello once, and then ends as timed_out', () => {
    const asked = given().requested('a').begins('a').reports('a', 'rebooting').timerFires('a');
    expect(asked.of('a').state).toBe('rebooting');
    expect(asked.aggregate.device.helloWantedAt).toBe(T0 + 15 * MINUTE);
    expect(asked.hello(NEW, { installationId: 'a' }).of('a').state).toBe('installed');
    expect(asked.timerFires('a').of('a').state).toBe('timed_out');
  });

  it('I1 the deadline of the installation ends it in every phase', () => {
    const end = given()
      .requested('a', { deadline: T0 + MINUTE })
      .begins('a')
      .reports('a', 'installing')
      .timerFires('a');
    expect(end.of('a')).toMatchObject({ state: 'timed_out', rejectReason: 'the deadline of the installation passed' });
  });
});

describe('Cancelling', () => {
  it('I10 what no device knows of ends at once', () => {
    expect(given().requested('a').does('a', { type: 'cancel', reason: 'wrong version' }).of('a')).toMatchObject({
      state: 'canceled',
      rejectReason: 'wrong version',
    });
  });

  it('I10 an offer that was not accepted ends soon without an answer', () => {
    const asked = given().requested('a').begins('a').does('a', { type: 'cancel' });
    expect(asked.of('a')).toMatchObject({ state: 'delivered', dueAt: T0 + 5_000 });
    expect(asked.timerFires('a').of('a').state).toBe('canceled');
  });

  it('I10 a device that works has until the end of its phase, and its answer ends it before', () => {
    const asked = given().requested('a').begins('a').reports('a', 'downloading').does('a', { type: 'cancel' });
    expect(asked.of('a').cancel).toMatchObject({ deadline: T0 + HOUR });
    expect(asked.reports('a', 'canceled').of('a').state).toBe('canceled');
    expect(asked.timerFires('a').of('a').state).toBe('canceled');
  });

  it('I10 a phase that ends just after the request is no new attempt: the device keeps its time to answer, and then it is canceled', () => {
    for (const phase of ['accepted', 'downloading', 'downloaded', 'installing', 'rebooting'] as const) {
      const working = given().requested('a').begins('a').reports('a', phase);
      const end = working.of('a').dueAt!;
      const asked = working.after(end - T0 - 2_000).does('a', { type: 'cancel', reason: 'not tonight' });
      expect([phase, asked.of('a').dueAt]).toEqual([phase, end + 3_000]);
      expect(asked.after(2_000).does('a', { type: 'deadline' }).last).toBe('unchanged');
      expect(asked.timerFires('a').of('a')).toMatchObject({
        state: 'canceled',
        rejectReason: 'not tonight',
        attempt: 1,
      });
    }
  });

  it('I10 the deadline of the installation ends a cancellation as what it is', () => {
    const asked = given()
      .requested('a', { deadline: T0 + 60_000 })
      .begins('a')
      .reports('a', 'downloading')
      .does('a', { type: 'cancel' });
    expect(waitingOn(asked.of('a'))).toContain(new Date(T0 + 60_000).toISOString());
    expect(asked.timerFires('a').of('a')).toMatchObject({ state: 'canceled', rejectedAt: T0 + 60_000 });
  });

  it('I10 a device that is too far continues with CANCEL_TOO_LATE and its normal end', () => {
    const refused = given()
      .requested('a')
      .begins('a')
      .reports('a', 'downloaded')
      .does('a', { type: 'cancel' })
      .does('a', { type: 'installing', error: { code: 'CANCEL_TOO_LATE', message: 'flashing' } });
    expect(refused.of('a')).toMatchObject({ state: 'installing', cancel: null });
    expect(refused.reports('a', 'installed').of('a').state).toBe('installed');
  });

  it('I10 also where it says so with another state before it has accepted: it has the time of its phase again', () => {
    const refused = given().requested('a').begins('a').does('a', { type: 'cancel' }).fails('a', 'CANCEL_TOO_LATE');
    expect(refused.of('a')).toMatchObject({
      state: 'delivered',
      cancel: null,
      dueAt: T0 + DEFAULT_POLICY.timeouts.offer,
    });
  });

  it('I10 a device that is held at the gate and does not answer has as long as it had to install', () => {
    const held = given()
      .requested('a', { gate: 'hold' })
      .begins('a')
      .reports('a', 'downloaded')
      .does('a', { type: 'cancel' });
    expect(held.of('a').dueAt).toBe(T0 + 30 * MINUTE);
    expect(held.timerFires('a').of('a').state).toBe('canceled');
  });

  it('I10 a failure after the request ends it as canceled: it is not tried again', () => {
    expect(
      given()
        .requested('a')
        .begins('a')
        .reports('a', 'accepted')
        .does('a', { type: 'cancel' })
        .fails('a', 'HASH_MISMATCH')
        .of('a').state,
    ).toBe('canceled');
  });
});

describe('A device that defers', () => {
  it('I1 may defer until the limit of the policy, counted from the first time', () => {
    const limit = DEFAULT_POLICY.maxDefer;
    const put = given()
      .requested('a')
      .begins('a')
      .does('a', { type: 'deferred', forMs: 10 * limit });
    expect(put.of('a').deferral).toEqual({ since: T0, until: T0 + limit });
    const again = put.after(limit - MINUTE).does('a', { type: 'deferred', forMs: 3 * limit });
    expect(again.of('a')).toMatchObject({
      state: 'deferred',
      deferral: { until: T0 + limit },
      dueAt: T0 + limit + HOUR,
    });
  });
});
