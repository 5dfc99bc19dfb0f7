import type { z } from 'zod';
import type { rollout, rolloutTarget } from '../../protocol/http/rollout.js';

/** As `GET /v1/rollouts/{id}` shows it. */
export type RolloutResource = z.output<typeof rollout>;
export type GroupResource = RolloutResource['groups'][number];
/** As `GET /v1/rollouts/{id}/devices` shows each. */
export type TargetResource = z.output<typeof rolloutTarget>;

/** Installations that are open. */
export function openOf({ counters }: { counters: RolloutResource['counters'] }): number {
  return counters.queued + counters.inFlight;
}

/** Ended otherwise than with the new content. */
export function badOf({ counters: c }: { counters: RolloutResource['counters'] }): number {
  return c.failed + c.rejected + c.canceled + c.timedOut + c.superseded;
}

export function installedOf({ counters: c }: { counters: RolloutResource['counters'] }): number {
  return c.installed + c.alreadyInstalled;
}

/** Nothing more happens by itself: it has ended, or it is paused and nothing is open. */
export function isAtRest(rollout: RolloutResource): boolean {
  const ended = rollout.finishedAt !== null || rollout.phase === 'aborted' || rollout.phase === 'paused';
  return ended && openOf(rollout) === 0;
}
