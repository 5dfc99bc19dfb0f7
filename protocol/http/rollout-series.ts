import { z } from 'zod';
import { printDuration } from '../../domain/duration.js';
import { FINEST_STEP_MS, MOST_POINTS, type SeriesPoint } from '../../domain/rollout/series.js';
import { duration } from './duration.js';
import { timestamp } from './envelope.js';
import { isoTime } from './print-plan.js';

const LONGEST_STEP_MS = 366 * 86_400_000;

/** The query of the series of a rollout. */
export const seriesQuery = z.strictObject({
  step: duration(FINEST_STEP_MS, LONGEST_STEP_MS, 'PT5M')
    .refine((step) => step % FINEST_STEP_MS === 0, { error: 'must be whole minutes: that is what is kept' })
    .optional()
    .meta({ description: 'How long each step is, in whole minutes. Default: by how long the rollout takes' }),
});

const count = z.int().min(0);

/** The series of a rollout as it is answered (docs/contracts/rollouts.md, "States"). */
export const series = z
  .strictObject({
    step: z.string().meta({ description: 'ISO 8601 duration' }),
    points: z
      .array(
        z.strictObject({
          at: timestamp.meta({ description: 'Where the step begins' }),
          started: count.meta({ description: 'Installations that were started' }),
          ended: count.meta({ description: 'Targets that ended; one that is tried again counts again' }),
          failed: count.meta({ description: 'Of these: failed, rejected or timed out' }),
        }),
      )
      .max(MOST_POINTS)
      .meta({ description: 'From the first to the last step in which something happened' }),
  })
  .meta({
    id: 'RolloutSeries',
    example: { step: 'PT5M', points: [{ at: '2026-11-24T10:00:00.000Z', started: 50, ended: 41, failed: 1 }] },
  });

/** Times as RFC 3339, the step as ISO 8601. */
export function printSeries(stepMs: number, points: readonly SeriesPoint[]): z.input<typeof series> {
  return { step: printDuration(stepMs), points: points.map(({ at, ...counts }) => ({ at: isoTime(at), ...counts })) };
}
