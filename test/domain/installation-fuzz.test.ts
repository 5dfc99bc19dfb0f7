import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { InstallationEvent } from '../../domain/installation/events.js';
import { isEnded } from '../../domain/installation/states.js';
import { waitingOn } from '../../domain/installation/waiting-on.js';
import { given, NEW, OLD, type Story } from './fleet-of-one.js';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2_147_483_647);
const RUN_AGAIN = `FUZZ_SEED=${SEED} npm test -- test/domain/installation-fuzz`;

type Step =
  | { who: 'a' | 'b' | 'c'; event: InstallationEvent }
  | { hello: string; confirmed: boolean }
  | { wait: number }
  | { aroundDue: number };

const attempt = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });
const error = fc.record({
  code: fc.constantFrom('HASH_MISMATCH', 'INCOMPATIBLE', 'BUSY', 'CANCEL_TOO_LATE', 'ALREADY_INSTALLED', 'ODD'),
  message: fc.constant('m'),
});
const event: fc.Arbitrary<InstallationEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<InstallationEvent>({ type: 'begin' }) },
  { weight: 3, arbitrary: fc.constant<InstallationEvent>({ type: 'deadline' }) },
  {
    weight: 8,
    arbitrary: fc
      .record({
        type: fc.constantFrom(
          'accepted',
          'downloading',
          'downloaded',
          'installing',
          'rebooting',
          'installed',
          'canceled',
        ),
        attempt,
        seq: fc.integer({ min: 1, max: 9 }),
      })
      .map(({ attempt: of, ...rest }) => (of === undefined ? rest : { ...rest, attempt: of }) as InstallationEvent),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('failed', 'rejected'), error }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('deferred' as const), until: fc.integer({ min: 0, max: 4e12 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('progress' as const),
      phase: fc.constantFrom('download', 'push'),
      bytes: fc.nat(100),
      total: fc.constant(100),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<InstallationEvent>(
      { type: 'cancel' },
      { type: 'cancel', as: 'superseded' },
      { type: 'release' },
    ),
  },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ who: fc.constantFrom('a' as const, 'b' as const, 'c' as const), event }) },
  { weight: 1, arbitrary: fc.record({ hello: fc.constantFrom(NEW, OLD), confirmed: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 8 * 24 * 3_600_000 }) }) },
  // Where two deadlines lie close together a random wait never comes.
  { weight: 2, arbitrary: fc.record({ aroundDue: fc.integer({ min: -10_000, max: 10_000 }) }) },
);

function take(story: Story, one: Step): Story {
  if ('wait' in one) return story.after(one.wait);
  if ('aroundDue' in one) {
    const due = Object.values(story.aggregate.installations).flatMap(({ dueAt }) => (dueAt === null ? [] : [dueAt]));
    return story.after(Math.max(0, Math.min(...due, story.now + 8 * 24 * 3_600_000) + one.aroundDue - story.now));
  }
  return 'hello' in one ? story.hello(one.hello, { confirmed: one.confirmed }) : story.does(one.who, one.event);
}

const start = () =>
  given().requested('a').requested('b', { priority: 1, gate: 'hold' }).requested('c', { slot: 'bootloader' });

describe(`Random events on a device (run again: ${RUN_AGAIN})`, () => {
  it('I1 I2 I3 I10 I12 I16 I17 hold after every step', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let story = start();
        for (const one of steps) {
          const before = story;
          story = take(story, one);
          const all = Object.values(story.aggregate.installations);
          expect(all.filter((i) => i.executing).length).toBeLessThanOrEqual(1); // I2
          for (const i of all) {
            const was = before.of(i.id);
            if (isEnded(was.state)) expect(i).toBe(was); // I3
            expect(JSON.parse(JSON.stringify(i))).toEqual(i); // I16
            expect(waitingOn(i) === null).toBe(isEnded(i.state)); // I17
            expect(i.endedAt !== null).toBe(isEnded(i.state));
            const behind = !i.executing && all.some((other) => other.executing);
            // no installation waits for a turn that is free
            if (!isEnded(i.state) && i.state !== 'scheduled') expect(i.executing || behind).toBe(true);
            const waits =
              behind ||
              i.state === 'scheduled' ||
              (i.executing && i.state === 'queued') ||
              (i.state === 'downloaded' && i.gate === 'hold');
            expect(isEnded(i.state) || waits || i.dueAt !== null).toBe(true); // I1
            expect(i.attempt).toBeGreaterThanOrEqual(was.attempt);
            if (was.cancel !== null) expect(i.attempt).toBe(was.attempt); // I10
            if (i.dueAt !== null && i.state !== 'scheduled')
              // `nextActionAt` is what the sentence says
              expect(waitingOn(i)).toContain(new Date(i.dueAt).toISOString());
          }
          for (const slot of Object.values(story.aggregate.slots))
            expect(slot.revision).toBeGreaterThanOrEqual(before.aggregate.slots[slot.slot]?.revision ?? 0); // I12
        }
      }),
      { seed: SEED, numRuns: 400 },
    );
  });

  it('I1 every installation ends if no device ever answers again', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let story = steps.reduce(take, start());
        for (const id of ['a', 'b', 'c']) story = story.does(id, { type: 'release' });
        for (let round = 0; round < 60; round += 1) {
          for (const id of ['a', 'b', 'c']) {
            const { dueAt } = story.of(id);
            if (dueAt !== null && dueAt > story.now) story = story.after(dueAt - story.now);
            story = story.does(id, { type: 'deadline' }).does(id, { type: 'begin' });
          }
        }
        expect(Object.values(story.states()).every((state) => isEnded(state as never))).toBe(true);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it('I4 a good story ends the same when its reports are repeated and reordered', () => {
    const good = ['accepted', 'downloading', 'downloaded', 'installing', 'rebooting', 'installed'] as const;
    fc.assert(
      fc.property(fc.shuffledSubarray([...good, ...good], { minLength: 8, maxLength: 12 }), (reports) => {
        fc.pre(reports.includes('installed'));
        let story = given().requested('a').begins('a');
        for (const type of reports) story = story.does('a', { type, attempt: 1, seq: good.indexOf(type) + 1 });
        expect(story.of('a').state).toBe('installed');
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});
