import pLimit from 'p-limit';
import { GONE } from '../../domain/installation/decided.js';
import type { Engine } from '../../adapters/engine/port.js';
import type { Installation } from '../../domain/installation/installation.js';
import {
  signalFor,
  SHOWN_AFTER_MS,
  stageOf,
  statusOf,
  waitsForDevice,
  type ProcessSignal,
} from '../../domain/installation/process-status.js';
import { isEnded } from '../../domain/installation/states.js';
import { assertLease } from '../../store/db/leases.js';
import { claimIn, settleIn, ASK_AGAIN, START_AGAIN, type Claimed, type Settled } from '../../store/outbox/outbox.js';
import type { Pool } from '../../store/db/pool.js';
import { markProcessesStarted, readProcesses, type ProcessView } from '../../store/installations/to-send.js';
import { asService } from '../../store/db/transaction.js';
import { EDITION, type InstallationRef } from '../../workflows/messages.js';
import { isRollout, pokeRollouts } from './poke-rollouts.js';
import { installationTitle } from './process-titles.js';
import { StartThrottle } from './start-throttle.js';
import { StatusRefreshLimiter } from './status-refresh-limiter.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';

/** Rows per claim, calls to the engine at once, and how long a claim is held: three times the engine's own deadline. */
const BATCH = 200;
const AT_ONCE = 32;
const LEASE_MS = 30_000;

/**
 * Brings processes up to date: starts those that do not run, signals those that do. @returns how many rows were
 * handled.
 */
export async function sendProcesses(
  pool: Pool,
  engine: Engine,
  now: () => number,
  guard?: LeaseGuard,
  refreshLimiter = new StatusRefreshLimiter(),
  throttle = new StartThrottle(),
): Promise<number> {
  const room = await throttle.room(pool);
  const { claimed, views } = await asService(pool, async (tx) => {
    const rows = await claimIn(tx, 'workflow', BATCH, LEASE_MS, guard?.fence, room);
    return { claimed: rows, views: await readProcesses(tx, rows.filter(isInstallation)) };
  });
  if (claimed.length === 0) return 0;
  const [rollouts, installations] = [claimed.filter(isRollout), claimed.filter(isInstallation)];
  const limit = pLimit(AT_ONCE);
  const sending = installations.map((one) =>
    limit(() => {
      guard?.assert();
      return sendOne(engine, one, views.get(one.subject), now(), refreshLimiter);
    }),
  );
  const [sent, poked] = await Promise.all([Promise.all(sending), pokeRollouts(pool, engine, rollouts, now, guard)]);
  const started = sent.filter((one) => one.started).map((one) => one.settled.claimed);
  await asService(pool, async (tx) => {
    if (guard) await assertLease(tx, guard.fence);
    const held = await markProcessesStarted(tx, started);
    // Started once more in a while, which does nothing to a process that runs.
    const settled = sent.map(({ settled: one }) =>
      held.has(one.claimed.subject) ? { claimed: one.claimed, error: 'another transaction holds its row' } : one,
    );
    await settleIn(tx, [...settled, ...poked]);
  });
  throttle.add(started);
  return claimed.length;
}

const isInstallation = (one: Claimed) => !isRollout(one);

async function sendOne(
  engine: Engine,
  claimed: Claimed,
  view: ProcessView | undefined,
  now: number,
  refreshLimiter: StatusRefreshLimiter,
): Promise<{ settled: Settled; started: boolean }> {
  try {
    if (!view) {
      // Deleted, with its device. Its process may wait without a deadline; where none runs, nothing is lost.
      await engine.signal(claimed.subject, { because: 'ended', status: GONE.status });
      return { settled: { claimed }, started: false };
    }
    const { installation } = view;
    if (claimed.detail === START_AGAIN) {
      if (!isEnded(installation.state)) await engine.start(refOf(installation), installationTitle(view));
      return { settled: { claimed }, started: true };
    }
    const asks = claimed.detail === ASK_AGAIN && view.started && stageOf(installation) === 'begin';
    const because = asks ? 'turn' : signalDue(view, now);
    const isRefresh = because === 'moved' || (because !== undefined && !asks && refreshLimiter.isRefresh(installation));
    const later = isRefresh && !isOverdue(installation, now) ? refreshLimiter.waitUntil(installation, now) : undefined;
    if (later !== undefined) {
      // Refreshed later, but never later than its deadline is looked at.
      const again = isOverdue(installation, later) && installation.dueAt !== null ? installation.dueAt : later;
      return { settled: { claimed, again }, started: false };
    }
    const did = await bringUpToDate(engine, view, because, now);
    if (did === 'signalled') refreshLimiter.remember(installation, now);
    const again = lookAgainAt(installation, now);
    return { settled: again === undefined ? { claimed } : { claimed, again }, started: did === 'started' };
  } catch (error) {
    return { settled: { claimed, error: (error as Error).message }, started: false };
  }
}

/** Why the process is to be signalled now, if at all. */
function signalDue({ installation, started }: ProcessView, now: number): ProcessSignal | undefined {
  if (!started) return undefined; // its first activity reads the row
  const because = signalFor(installation);
  if (because !== undefined) return because;
  if (stageOf(installation) === 'begin') return undefined;
  if (isOverdue(installation, now)) return 'due';
  // Until then it may be overtaken by what it waits for: a device that works fast costs its process no task for what
  // stood too short to be read.
  return waitsForDevice(installation) && now - installation.stateSince >= SHOWN_AFTER_MS ? 'moved' : undefined;
}

function isOverdue({ dueAt }: Installation, now: number): boolean {
  return dueAt !== null && dueAt <= now;
}

function refOf({ tenantId, deviceId, id: installationId }: Installation): InstallationRef {
  return { tenantId, deviceId, installationId, edition: EDITION, looksBeforeEnd: true };
}

/** @returns whether the process was started for the first time, or told where the row stands. */
async function bringUpToDate(
  engine: Engine,
  view: ProcessView,
  because: ProcessSignal | undefined,
  now: number,
): Promise<'started' | 'signalled' | undefined> {
  const { installation, reach, executing } = view;
  const ref = refOf(installation);
  const ended = isEnded(installation.state);
  if (!view.started) {
    if (ended) return undefined; // it ended before a process could begin: there is nothing to wait for
    await engine.start(ref, installationTitle(view));
    return 'started';
  }
  if (because === undefined) {
    // It has begun, and there is nothing to say. Should it have vanished, that shows when it is due: to start a running
    // one costs the engine nearly what a new one does.
    if (stageOf(installation) !== 'begin') return undefined;
  } else {
    const status = statusOf(installation, { ...reach, executing }, now);
    if ((await engine.signal(installation.id, { because, status })) === 'sent') return 'signalled';
  }
  // It vanished, or nothing is known of its beginning: a running one is left alone.
  if (!ended) await engine.start(ref, installationTitle(view));
  return undefined;
}

/**
 * While a device works, its process has a later timer than the row (reports move the deadline without a signal), and
 * shows what it was told last: the mark stays, and comes due when the deadline does, or when the sentence has stood a
 * while. How far a download has come is shown anew when half as much time has passed again, so that a long one costs a
 * few signals. In the rush of a good one the mark is overtaken by the next and costs nothing.
 */
function lookAgainAt(i: Installation, now: number): number | undefined {
  if (!waitsForDevice(i) || i.state === 'delivered') return undefined;
  const age = now - i.stateSince;
  const shown =
    age < SHOWN_AFTER_MS
      ? i.stateSince + SHOWN_AFTER_MS
      : i.state === 'downloading'
        ? now + Math.max(age / 2, SHOWN_AFTER_MS)
        : undefined;
  const due = stageOf(i) === 'download' && i.dueAt !== null && i.dueAt > now ? i.dueAt : undefined;
  return shown === undefined || due === undefined ? (shown ?? due) : Math.min(shown, due);
}
