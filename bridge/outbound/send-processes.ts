import pLimit from 'p-limit';
import type { Engine } from '../../adapters/engine/port.js';
import type { Installation } from '../../domain/installation/installation.js';
import {
  signalFor,
  SHOWN_AFTER_MS,
  stageOf,
  waitsForDevice,
  type ProcessSignal,
  type ProcessStatus,
} from '../../domain/installation/process-status.js';
import { waitingOn } from '../../domain/installation/waiting-on.js';
import { isEnded } from '../../domain/installation/states.js';
import { assertLease } from '../../store/db/leases.js';
import { claimIn, settleIn, type Claimed, type Settled } from '../../store/outbox/outbox.js';
import type { Pool } from '../../store/db/pool.js';
import { markProcessesStarted, readProcesses, type ProcessView } from '../../store/installations/to-send.js';
import { asService } from '../../store/db/transaction.js';
import { EDITION } from '../../workflows/messages.js';
import { isRollout, pokeRollouts } from './poke-rollouts.js';
import { StartThrottle } from './start-throttle.js';
import { StatusRefreshLimiter } from './status-refresh-limiter.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';

/** Rows per claim, calls to the engine at once, and how long a claim is held: three times the engine's own deadline. */
const BATCH = 200;
const AT_ONCE = 32;
const LEASE_MS = 30_000;
/** What could only be shown, and had to wait for others. */
const SHOW_AGAIN_MS = 60_000;

/**
 * Brings processes up to date: starts those that do not run, signals the news to those that do. @returns how many rows
 * were handled.
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
    await markProcessesStarted(tx, started);
    await settleIn(tx, [...sent.map((one) => one.settled), ...poked]);
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
  if (!view) return { settled: { claimed }, started: false };
  try {
    const news = newsFor(view, now, refreshLimiter);
    const started = await bringUpToDate(engine, view, news === 'later' ? undefined : news);
    const again = news === 'later' ? now + SHOW_AGAIN_MS : lookAgainAt(view.installation, now);
    return { settled: again === undefined ? { claimed } : { claimed, again }, started };
  } catch (error) {
    return { settled: { claimed, error: (error as Error).message }, started: false };
  }
}

/** @returns `later` where there is only something to show, and others come first. */
function newsFor(
  { installation, started }: ProcessView,
  now: number,
  refreshLimiter: StatusRefreshLimiter,
): ProcessSignal | 'later' | undefined {
  if (!started) return undefined; // its first activity reads the row
  const news = signalFor(installation);
  if (news !== undefined) return news;
  if (stageOf(installation) === 'begin') return undefined;
  if (installation.dueAt !== null && installation.dueAt <= now) return 'due';
  // Until then it may be overtaken by what it waits for: a device that works fast costs its process no task for what
  // too short-lived to read.
  if (!waitsForDevice(installation) || now - installation.stateSince < SHOWN_AFTER_MS) return undefined;
  return refreshLimiter.take(now) ? 'moved' : 'later';
}

/** @returns whether a process was started. */
async function bringUpToDate(engine: Engine, view: ProcessView, news: ProcessSignal | undefined): Promise<boolean> {
  const { installation } = view;
  const ref = {
    tenantId: installation.tenantId,
    deviceId: installation.deviceId,
    installationId: installation.id,
    edition: EDITION,
  } as const;
  const ended = isEnded(installation.state);
  if (!view.started) {
    if (ended) return false; // it ended before a process could begin: there is nothing to wait for
    await engine.start(ref);
    return true;
  }
  if (news === undefined) {
    // It has begun, and there is nothing to say. Should it have vanished, that shows when it is due: to start a running
    // one costs the engine nearly what a new one does.
    if (stageOf(installation) !== 'begin') return false;
  } else if ((await engine.signal(installation.id, news, standingOf(view))) === 'sent') {
    return false;
  }
  if (!ended) await engine.start(ref); // it vanished, or nothing is known of its beginning: a running one is left alone
  return false;
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

function standingOf({ installation, reach, executing }: ProcessView): ProcessStatus {
  return {
    stage: stageOf(installation),
    state: installation.state,
    attempt: installation.attempt,
    until: installation.dueAt,
    waitingOn:
      waitingOn(installation, { ...reach, executing }) ??
      `Ended as ${installation.state}${installation.rejectReason ? `: ${installation.rejectReason}` : ''}.`,
  };
}
