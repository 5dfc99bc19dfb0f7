import type { z } from 'zod';
import { defined } from '../../domain/defined.js';
import { plural } from '../../domain/plural.js';
import type { rollout } from '../../protocol/http/rollout.js';
import type { rolloutTarget } from '../../protocol/http/rollout-parts.js';

/** As `GET /v1/rollouts/{id}` shows it. */
export type RolloutResource = z.output<typeof rollout>;
/** A group as the REST API answers it. */
export type GroupResource = RolloutResource['groups'][number];
/** As `GET /v1/rollouts/{id}/devices` shows each. */
export type TargetResource = z.output<typeof rolloutTarget>;

/** The first group of the demo's rollouts: what a bad version meets before all others. */
export function canaryOf<T>({ groups }: { readonly groups: readonly T[] }): T {
  return defined(groups[0], 'a plan has at least one group');
}

/** Installations that are open. */
export function openOf({ counters }: { counters: RolloutResource['counters'] }): number {
  return counters.queued + counters.inFlight;
}

/** Ended otherwise than with the new content. What was called off before its group began is neither good nor bad. */
export function badOf({ counters: c, openedAt }: Pick<GroupResource, 'counters' | 'openedAt'>): number {
  return openedAt === null ? 0 : c.failed + c.rejected + c.canceled + c.timedOut + c.superseded;
}

/** Devices that hold the content, also those that held it before. */
export function installedOf({ counters: c }: { counters: RolloutResource['counters'] }): number {
  return c.installed + c.alreadyInstalled;
}

/** Devices that installed it and are on their way back, or were. */
export function backOf({ rollBack: back }: GroupResource): {
  readonly size: number;
  readonly done: number;
  readonly failed: number;
} {
  return back === null
    ? { size: 0, done: 0, failed: 0 }
    : {
        size: back.pending + back.queued + back.inFlight + back.rolledBack + back.failed,
        done: back.rolledBack,
        failed: back.failed,
      };
}

/** How far its group is on its way back, as a clause; undefined where nothing goes back. */
export function backSentence(group: GroupResource): string | undefined {
  const { size, done, failed } = backOf(group);
  return size === 0
    ? undefined
    : `${done} of ${plural(size, 'updated device')} hold their earlier content again${failed === 0 ? '' : `, and ${failed} could not be brought back`}`;
}

/** Milliseconds from its start to its end, or to the pause that stopped it. */
export function tookOf({ startedAt, finishedAt, abortedAt, pauses }: RolloutResource): number {
  const end = finishedAt ?? abortedAt ?? pauses.map(({ since }) => since).sort()[0];
  return (
    (end === undefined ? Date.now() : Date.parse(end)) -
    Date.parse(defined(startedAt, 'only a rollout that was started is timed'))
  );
}

/** Nothing more happens by itself: it has ended, or it is paused and nothing is open. */
export function isAtRest(rollout: RolloutResource): boolean {
  const ended = rollout.finishedAt !== null || rollout.phase === 'aborted' || rollout.phase === 'paused';
  return ended && openOf(rollout) === 0;
}
