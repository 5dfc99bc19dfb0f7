import { z } from 'zod';
import { printDuration } from '../../domain/duration.js';
import { STOP_OUTCOMES } from '../../domain/rollout/plan.js';
import type { Forecast, Spread } from '../../domain/rollout/simulation/forecast.js';
import { pauseReason, timestamp } from './envelope.js';
import { isoTime } from './print-plan.js';

/** docs/contracts/rollouts.md, "Simulation". What clients get. */
const chance = z.number().min(0).max(1);
const durations = z.strictObject({ p50: z.string(), p95: z.string() }).meta({
  id: 'DurationSpread',
  description:
    'ISO 8601, from the start of the rollout on; half of the runs lie at or below p50, all but one in twenty at or below p95',
});
const counts = z.strictObject({ p50: z.number(), p95: z.number() }).meta({ id: 'CountSpread' });
const stopThen = z.enum(['pause', 'abort', 'rollBack']);

const EXAMPLE = {
  seed: 1,
  runs: 200,
  devices: 1_000,
  startsAt: '2026-11-24T10:00:00.000Z',
  outcomes: { finished: 0.94, failed: 0, aborted: 0, rolledBack: 0, paused: 0.06, waiting: 0 },
  duration: { p50: 'PT9H', p95: 'P1D' },
  milestones: [
    { share: 0.5, after: { p50: 'PT2H', p95: 'PT3H' } },
    { share: 0.99, after: null },
  ],
  devicesPerHour: 312.5,
  peakInFlight: { p50: 100, p95: 100 },
  peakBytesPerSecond: { p50: 2_100_000, p95: 2_400_000 },
  neverAdmitted: { p50: 3, p95: 7 },
  stopRules: [{ outcome: 'failed', share: 0.1, after: 10, then: 'pause', chance: 0.06 }],
  pauses: [
    {
      reason: 'failure_budget',
      because: '2 of 12 installations failed; the rollout pauses at 10 % (checked after 10 installations)',
      chance: 0.06,
    },
  ],
  groups: [
    {
      name: 'canary',
      size: 10,
      sample: { p50: 10, p95: 10 },
      passes: 0.97,
      opens: { p50: 'PT0S', p95: 'PT0S' },
      passed: { p50: 'PT2H', p95: 'PT2H10M' },
    },
  ],
  assumptions: ['The rollout starts at once.', 'An online device stays online.'],
};

/** The forecast as it is answered (docs/contracts/rollouts.md, "Simulation"). */
export const simulation = z
  .strictObject({
    seed: z.int().meta({ description: 'With the same seed, plan and fleet the answer is the same' }),
    runs: z.int().min(1),
    devices: z.int().min(0),
    startsAt: timestamp.nullable().meta({ description: 'By the plan; null where it starts by a command' }),
    outcomes: z
      .strictObject({
        finished: chance,
        failed: chance,
        aborted: chance,
        rolledBack: chance,
        paused: chance,
        waiting: chance,
      })
      .meta({ description: 'Shares of the runs, by how they ended; one that would wait for a person is paused' }),
    duration: durations.nullable().meta({ description: 'Of the runs that end by themselves; null where none does' }),
    milestones: z
      .array(z.strictObject({ share: chance, after: durations.nullable() }))
      .meta({ description: 'When this share of all devices has got it; null where most runs do not come so far' }),
    devicesPerHour: z.number().min(0).meta({ description: 'Until nine in ten have it of those that get it' }),
    peakInFlight: counts,
    peakBytesPerSecond: counts,
    neverAdmitted: counts.meta({ description: 'Devices to which nothing is ever sent' }),
    stopRules: z.array(
      z.strictObject({ outcome: z.enum(STOP_OUTCOMES), share: chance, after: z.int(), then: stopThen, chance }),
    ),
    pauses: z
      .array(z.strictObject({ reason: pauseReason.nullable(), because: z.string(), chance }))
      .meta({ description: 'Where it would wait for a person, most likely first; the sentence is that of one run' }),
    groups: z.array(
      z.strictObject({
        name: z.string(),
        size: z.int().min(0),
        sample: counts.meta({ description: 'Ended targets that its gate rests on when it is decided' }),
        passes: chance,
        opens: durations.nullable(),
        passed: durations.nullable(),
      }),
    ),
    assumptions: z.array(z.string()).meta({ description: 'What the forecast takes for granted' }),
  })
  .meta({ id: 'RolloutSimulation', example: EXAMPLE });

/** Seconds suffice: the forecast is not as exact. */
function printSpread(spread: Spread | null): z.input<typeof durations> | null {
  const print = (ms: number): string => printDuration(Math.round(ms / 1_000) * 1_000);
  return spread && { p50: print(spread.p50), p95: print(spread.p95) };
}

function round({ p50, p95 }: Spread): Spread {
  return { p50: Math.round(p50), p95: Math.round(p95) };
}

/** Durations become ISO 8601 in whole seconds. */
export function printSimulation(f: Forecast): z.input<typeof simulation> {
  return {
    seed: f.seed,
    runs: f.runs,
    devices: f.devices,
    startsAt: f.startsAt === null ? null : isoTime(f.startsAt),
    outcomes: { ...f.outcomes },
    duration: printSpread(f.duration),
    milestones: f.milestones.map(({ share, after }) => ({ share, after: printSpread(after) })),
    devicesPerHour: Number(f.devicesPerHour.toPrecision(4)),
    peakInFlight: round(f.peakInFlight),
    peakBytesPerSecond: round(f.peakBytesPerSecond),
    neverAdmitted: round(f.neverAdmitted),
    stopRules: f.stopRules.map(({ rule, chance: fires }) => ({
      outcome: rule.outcome,
      share: rule.share,
      after: rule.after,
      then: rule.then,
      chance: fires,
    })),
    pauses: f.pauses.map((one) => ({ ...one })),
    groups: f.groups.map((one) => ({
      ...one,
      sample: round(one.sample),
      opens: printSpread(one.opens),
      passed: printSpread(one.passed),
    })),
    assumptions: [...f.assumptions],
  };
}
