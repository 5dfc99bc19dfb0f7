import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { EarlierInstallationActivities } from '../activities/earlier-installation.js';
import type { InstallationActivities } from '../activities/installation.js';
import type { RolloutActivities } from '../activities/rollout.js';

/** Tried until it succeeds: what fails is the database or the worker, and both come back. */
const RETRY = { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' } as const;

/**
 * Short transactions on PostgreSQL, run inside the worker: a remote activity would cost a third more CPU and twice the
 * latency. They fail only when the database or the worker is away; each is idempotent, because the row says where it
 * stands.
 */
export const { makeOffer, expireOffer, expireDownload, expireOutcome, endSoak, lookAtRow, notify, judge, conclude } =
  proxyLocalActivities<InstallationActivities & EarlierInstallationActivities>({
    startToCloseTimeout: '20 seconds',
    retry: RETRY,
  });

/**
 * Several short transactions, for at most two seconds; each step is whole by itself, so that a tick that is repeated
 * goes on where it was.
 */
export const { tick } = proxyLocalActivities<RolloutActivities>({ startToCloseTimeout: '30 seconds', retry: RETRY });

/**
 * Many steps, as a snapshot of a large fleet takes them: half a minute of work at a time. It says with each step that
 * it lives, so that another worker goes on within seconds where this one died, and it stops where its worker is told
 * to end.
 */
export const { workThrough } = proxyActivities<RolloutActivities>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '20 seconds',
  retry: RETRY,
});
