import { describe, expect, it } from '@jest/globals';
import { ACTIONS, whyNot } from '../../domain/rollout/why-not.js';
import type { Phase } from '../../domain/rollout/phase.js';

/**
 * What is allowed when, as it is meant: one row a phase in the order of ACTIONS; `.` = refused. Written apart from the
 * source, so that a slip in either shows.
 */
const MEANT = `
                   start pause resume abort retry approve reject amend rollback skip delete
draft              yes   .     .      yes   .     yes     yes    yes   .       .    yes
awaiting_approval  .     yes   .      yes   .     yes     yes    yes   yes     yes  .
scheduled          .     yes   .      yes   .     yes     yes    yes   .       .    .
running            .     yes   .      yes   yes   yes     yes    yes   yes     yes  .
paused             .     yes   yes    yes   yes   yes     yes    yes   yes     yes  .
rolling_back       .     .     .      .     .     .       .      .     yes     .    .
finished           .     .     .      .     yes   .       .      .     yes     .    yes
aborted            .     .     .      .     .     .       .      .     .       .    yes`;

const [head, ...lines] = MEANT.trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));
const cells = lines.flatMap(([phase, ...answers]) =>
  head!.map((action, index) => [action, phase, answers[index] === 'yes'] as const),
);

describe('Allowed actions of a rollout, by phase', () => {
  it('are defined for every action and every phase', () => {
    expect(head).toEqual([...ACTIONS]);
    // Written out: PHASES lives with the gates, which this test does not need.
    expect(lines.map(([phase]) => phase)).toEqual([
      'draft',
      'awaiting_approval',
      'scheduled',
      'running',
      'paused',
      'rolling_back',
      'finished',
      'aborted',
    ]);
  });

  it.each(cells)('%s while it is %s: %s', (action, phase, allowed) => {
    const sentence = whyNot(action as (typeof ACTIONS)[number], phase as Phase);
    expect(sentence === undefined).toBe(allowed);
    // It follows "this rollout cannot … while it is …:", and begins with it.
    if (!allowed) expect(sentence).toMatch(/^(it|a roll back) [a-z ].{8,}[^.]$/);
  });

  it('suggest what is possible instead', () => {
    expect(whyNot('resume', 'aborted')).toContain('create another rollout');
    expect(whyNot('start', 'paused')).toContain('resume it');
    expect(whyNot('retry', 'awaiting_approval')).toContain('once it is running');
  });
});
