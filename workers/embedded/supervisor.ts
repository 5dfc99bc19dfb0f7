import { setTimeout as sleep } from 'node:timers/promises';
import { backOff } from '../../domain/back-off.js';
import type { Log } from '../../runtime/log.js';
import type { Exit } from './native.js';

/** Something that is kept running. */
export interface Part {
  name: string;
  /** Starts it; resolves when it can be used, rejects when it did not come up. Called again each time it died. */
  start(signal: AbortSignal): Promise<RunningPart>;
}

/** A part that was started; `exited` resolves however it ended. */
export interface RunningPart {
  pid: number;
  exited: Promise<Exit>;
  /** Resolves when the process is gone. */
  stop(): Promise<void>;
}

/** Keeps parts running, and starts again what ended by itself. */
export interface Supervisor {
  /**
   * Starts parts side by side and keeps them running from then on; they are stopped together, before those that were
   * started earlier. Rejects when one does not come up the first time, instead of waiting for what cannot work.
   */
  start(parts: readonly Part[]): Promise<void>;
  /** Stops all, the last started first. Afterwards nothing is started again. */
  stop(): Promise<void>;
}

/**
 * First pause 0.2 s: what died is back within 2 s (docs/architecture.md §7). Doubled while it keeps dying, so that a
 * broken one does not use up the machine.
 */
const BACK_OFF = { firstMs: 200, maxMs: 10_000 };
/** What lived this long was healthy: its next death is a new story. */
const HEALTHY_MS = 30_000;

/** Milliseconds before the next start, after this many deaths in a row. */
export function pauseAfter(deaths: number): number {
  return backOff(deaths, BACK_OFF);
}

/** Nothing runs before `start` is called. */
export function supervise(log: Log): Supervisor {
  const ending = new AbortController();
  const groups: Kept[][] = [];
  return {
    async start(parts) {
      ending.signal.throwIfAborted();
      const group = parts.map((part) => keep(part, ending.signal, log));
      groups.push(group);
      await Promise.all(group.map(({ firstStart }) => firstStart));
    },
    async stop() {
      ending.abort(new Error('Slipway is being stopped'));
      for (const group of groups.splice(0).reverse()) await Promise.all(group.map((kept) => kept.stop()));
    },
  };
}

interface Kept {
  firstStart: Promise<void>;
  stop(): Promise<void>;
}

/** One part's life: start, wait for its end, pause, start again; until the signal. */
function keep(part: Part, ending: AbortSignal, log: Log): Kept {
  let running: RunningPart | undefined;
  let deaths = 0;

  const startOnce = async () => {
    const began = Date.now();
    running = await part.start(ending);
    log.info({ part: part.name, child: running.pid, ms: Date.now() - began }, 'started');
    return began;
  };
  const untilItEnds = async (began: number) => {
    const exit = await running?.exited;
    running = undefined;
    if (ending.aborted) return;
    deaths = Date.now() - began >= HEALTHY_MS ? 1 : deaths + 1;
    log.error({ part: part.name, ...exit, inMs: pauseAfter(deaths) }, 'ended unexpectedly and is started again');
  };
  const startAgain = async () => {
    await sleep(pauseAfter(deaths), undefined, { signal: ending }).catch(() => undefined);
    if (ending.aborted) return undefined;
    try {
      return await startOnce();
    } catch (error) {
      deaths += 1;
      if (!ending.aborted)
        log.error({ part: part.name, error, inMs: pauseAfter(deaths) }, 'did not come up and is tried again');
      return undefined;
    }
  };

  const firstStart = startOnce();
  const life = firstStart.then(async (firstBegan) => {
    let began: number | undefined = firstBegan;
    while (!ending.aborted) {
      if (began !== undefined) await untilItEnds(began);
      began = await startAgain();
    }
  });
  // The caller learns it from firstStart.
  life.catch(() => undefined);

  return {
    firstStart: firstStart.then(() => undefined),
    async stop() {
      // A start under way sees the signal; where it came up all the same it is stopped like any other.
      await firstStart.catch(() => undefined);
      await running?.stop();
      await life.catch(() => undefined);
      await running?.stop();
    },
  };
}
