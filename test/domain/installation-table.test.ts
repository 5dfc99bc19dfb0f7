import { describe, expect, it } from '@jest/globals';
import { STATES, isEnded } from '../../domain/installation/states.js';
import { MOVES, TABLE, type Move } from '../../domain/installation/table.js';
import { moved } from '../../domain/installation/moved.js';
import { installation, T0 } from './fleet-of-one.js';

/**
 * The table as it is meant, one row a state in the order of MOVES; `.` = ignored. Written apart from the source, so
 * that a slip in either shows.
 */
const MEANT = `
                queue  offer     accept   defer    download    downloaded install    reboot    soak       succeed   retry     fail   reject   cancel   timeOut   supersede
scheduled       queued delivered accepted deferred downloading downloaded installing rebooting confirming installed scheduled failed rejected canceled timed_out superseded
queued          .      delivered accepted deferred downloading downloaded installing rebooting confirming installed scheduled failed rejected canceled timed_out superseded
delivered       .      .         accepted deferred downloading downloaded installing rebooting confirming installed scheduled failed rejected canceled timed_out superseded
accepted        .      .         .        deferred downloading downloaded installing rebooting confirming installed scheduled failed rejected canceled timed_out superseded
deferred        .      .         accepted deferred downloading downloaded installing rebooting confirming installed scheduled failed rejected canceled timed_out superseded
downloading     .      .         .        deferred .           downloaded installing rebooting confirming installed scheduled failed rejected canceled timed_out superseded
downloaded      .      .         .        deferred .           .          installing rebooting confirming installed scheduled failed rejected canceled timed_out superseded
installing      .      .         .        .        .           .          .          rebooting confirming installed scheduled failed rejected canceled timed_out superseded
rebooting       .      .         .        .        .           .          .          .         confirming installed scheduled failed rejected canceled timed_out superseded
confirming      .      .         .        .        .           .          .          .         .          installed .         failed rejected .        timed_out superseded
installed       .      .         .        .        .           .          .          .         .          .         .         .      .        .        .         .
failed          .      .         .        .        .           .          .          .         .          .         .         .      .        .        .         .
rejected        .      .         .        .        .           .          .          .         .          .         .         .      .        .        .         .
canceled        .      .         .        .        .           .          .          .         .          .         .         .      .        .        .         .
timed_out       .      .         .        .        .           .          .          .         .          .         .         .      .        .        .         .
superseded      .      .         .        .        .           .          .          .         .          .         .         .      .        .        .         .`;

const [head, ...lines] = MEANT.trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));
const cells = lines.flatMap(([state, ...next]) =>
  head!.map((move, index) => [state!, move, next[index] === '.' ? null : next[index]!] as const),
);

describe('The table of an installation', () => {
  it('covers every state and every move', () => {
    expect(head).toEqual([...MOVES]);
    expect(lines.map(([state]) => state)).toEqual([...STATES]);
  });

  it.each(cells)('I3 I4 I5 %s × %s → %s', (state, move, next) => {
    const row = TABLE[state as keyof typeof TABLE];
    expect(row[move as Move]).toBe(next);
    const before = installation('a', { state: state as keyof typeof TABLE });
    const after = moved(before, move as Move, T0, {});
    if (next === null) expect(after).toBe(before);
    else expect(after.state).toBe(next);
  });

  it('I3 leaves no way out of a terminal state', () => {
    for (const state of STATES.filter(isEnded))
      expect(Object.values(TABLE[state]).every((next) => next === null)).toBe(true);
  });
});
