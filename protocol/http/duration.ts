import { z } from 'zod';
import { parseDuration, printDuration } from '../../domain/duration.js';

/** An ISO 8601 duration; the parsed value is in milliseconds. */
export function duration(min: number, max: number, example: string) {
  return z
    .string()
    .max(64)
    .transform((value, context) => {
      const ms = parseDuration(value);
      if (ms !== undefined && ms >= min && ms <= max) return ms;
      context.addIssue({
        code: 'custom',
        message:
          ms === undefined
            ? `must be an ISO 8601 duration in weeks, days, hours, minutes and seconds, such as ${example}`
            : `must lie between ${printDuration(min)} and ${printDuration(max)}`,
      });
      return z.NEVER;
    })
    .meta({ description: `ISO 8601 duration from ${printDuration(min)} to ${printDuration(max)}`, example });
}
