import { proxyLocalActivities } from '@temporalio/workflow';
import type { InstallationActivities } from '../activities/installation.js';
import type { RolloutActivities } from '../activities/rollout.js';

/**
 * Short transactions on PostgreSQL, run inside the worker: a remote activity would cost a third more CPU and twice the
 * latency. They fail only when the database or the worker is away, so they are tried until it is back; each is
 * idempotent, because the row says where it stands.
 */
export const { notify, judge, conclude } = proxyLocalActivities<InstallationActivities>({
  startToCloseTimeout: '20 seconds',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
});

/**
 * Several short transactions, up to its own limit of seconds; each step is whole by itself, so that a tick that is
 * repeated goes on where it was.
 */
export const { tick } = proxyLocalActivities<RolloutActivities>({
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
});
