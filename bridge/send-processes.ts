import pLimit from 'p-limit';
import type { Engine } from '../adapters/engine/port.js';
import { newsOf, stageOf, type Standing } from '../domain/installation/standing.js';
import { waitingOn } from '../domain/installation/waiting-on.js';
import { isEnded } from '../domain/installation/states.js';
import { claim, settle, type Claimed, type Settled } from '../store/outbox.js';
import type { Pool } from '../store/pool.js';
import { markStarted, readProcesses, type ProcessView } from '../store/sending.js';
import { EDITION } from '../workflows/messages.js';
import { isRollout, pokeRollouts } from './poke-rollouts.js';
import type { Tenure } from './tenure.js';

/** Rows per claim, calls to the engine at once, and how long a claim is held: three times the engine's own deadline. */
const BATCH = 200;
const AT_ONCE = 32;
const LEASE_MS = 30_000;

/** Brings processes up to date: starts those that do not run, signals the news to those that do. @returns how many rows were handled. */
export async function sendProcesses(pool: Pool, engine: Engine, now: () => number, tenure?: Tenure): Promise<number> {
  const claimed = await claim(pool, 'workflow', BATCH, LEASE_MS, tenure?.fence);
  if (claimed.length === 0) return 0;
  const [rollouts, installations] = [claimed.filter(isRollout), claimed.filter((one) => !isRollout(one))];
  const views = await readProcesses(pool, installations);
  const limit = pLimit(AT_ONCE);
  const sending = installations.map((one) => limit(() => {
    tenure?.assert();
    return sendOne(engine, one, views.get(one.subject), now());
  }));
  const [sent, poked] = await Promise.all([Promise.all(sending), pokeRollouts(pool, engine, rollouts, now, tenure)]);
  await markStarted(pool, sent.filter((one) => one.started).map((one) => one.settled.claimed), tenure?.fence);
  await settle(pool, [...sent.map((one) => one.settled), ...poked], tenure?.fence);
  return claimed.length;
}

async function sendOne(engine: Engine, claimed: Claimed, view: ProcessView | undefined, now: number): Promise<{ settled: Settled; started: boolean }> {
  if (!view) return { settled: { claimed }, started: false };
  try {
    const started = await bringUpToDate(engine, view, now);
    return { settled: again(claimed, view, now), started };
  } catch (error) {
    return { settled: { claimed, error: (error as Error).message }, started: false };
  }
}

/** @returns whether a process was started. */
async function bringUpToDate(engine: Engine, view: ProcessView, now: number): Promise<boolean> {
  const { installation } = view;
  const ref = { tenantId: installation.tenantId, deviceId: installation.deviceId, installationId: installation.id, edition: EDITION } as const;
  const ended = isEnded(installation.state);
  if (!view.started) {
    if (ended) return false; // it ended before a process could begin: there is nothing to wait for
    await engine.start(ref);
    return true;
  }
  const overdue = installation.dueAt !== null && installation.dueAt <= now;
  const news = newsOf(installation) ?? (overdue && stageOf(installation) !== 'begin' ? 'due' : undefined);
  if (news !== undefined && (await engine.signal(installation.id, news, standingOf(view))) === 'sent') return false;
  if (!ended) await engine.start(ref); // it vanished, or nothing is known of it: running ones are left alone
  return false;
}

/**
 * While a device downloads, its process has a later timer than the row (reports move the deadline without a signal): the mark stays, and comes
 * due when the deadline does. In the rush of a good download it is overtaken by the next mark and costs nothing.
 */
function again(claimed: Claimed, view: ProcessView, now: number): Settled {
  const { installation: i } = view;
  const untold = i.dueAt !== null && i.dueAt > now && stageOf(i) === 'download' && i.state !== 'delivered';
  return untold ? { claimed, again: i.dueAt } : { claimed };
}

function standingOf({ installation, reach, executing }: ProcessView): Standing {
  return {
    stage: stageOf(installation),
    state: installation.state,
    attempt: installation.attempt,
    until: installation.dueAt,
    waitingOn: waitingOn(installation, { ...reach, executing }) ?? `Ended as ${installation.state}${installation.rejectReason ? `: ${installation.rejectReason}` : ''}.`,
  };
}
