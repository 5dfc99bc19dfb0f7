import type { Log } from './log.js';
import { pauseUnless } from './pause.js';

/** SIGTERM drains within 10 s (docs/architecture.md §7). */
const SHUTDOWN_LIMIT_MS = 10_000;
/** Without its parent a process has less time: the next all in one may be waiting for its port. */
const ORPHAN_LIMIT_MS = 8_000;

type Step = () => void | Promise<void>;
const steps: Step[] = [];
let running: Promise<void> | undefined;
let listening = false;
let log: Log | undefined;
let drain: { ms: number; begin: () => void } | undefined;
let longerMs = 0;
const hurry = new AbortController();

/**
 * Runs `step` once when the process is told to end, in the reverse order of registration: what was opened last is
 * closed first. The process exits with 0 when all are done, with 1 when one failed or the limit passed.
 */
export function onShutdown(step: Step, options: { log?: Log } = {}): void {
  steps.push(step);
  log = options.log ?? log;
  if (listening) return;
  listening = true;
  process.on('SIGTERM', drainAndShutDown);
  process.on('SIGINT', () => shutDown(SHUTDOWN_LIMIT_MS + longerMs));
}

/**
 * What SIGTERM does before the first step: `begin` is called at once, and the steps follow `ms` milliseconds later. So
 * long a process goes on with its work, and says that it ends: a load balancer stops to choose it. Another signal, or
 * the end of the parent, ends the delay. SIGINT comes from a person and has none.
 */
export function drainFirst(ms: number, begin: () => void): void {
  drain = { ms, begin };
}

/** Gives the steps of SIGTERM and SIGINT `ms` more than they have: they wait for children that have a delay. */
export function allowLonger(ms: number): void {
  longerMs = ms;
}

/** Whether the shutdown has begun, its delay included. */
export function isShuttingDown(): boolean {
  return running !== undefined;
}

function drainAndShutDown(): void {
  if (running) return hurry.abort();
  running = (async () => {
    drain?.begin();
    await pauseUnless(hurry.signal, drain?.ms ?? 0);
    await runSteps(SHUTDOWN_LIMIT_MS + longerMs, 0);
  })();
}

/**
 * Ends this process like SIGTERM does when its parent is gone, however that ended: the kernel closes the IPC channel
 * even after `kill -9`. Does nothing in a process that was started without such a channel.
 */
export function exitWithParent(): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => shutDown(ORPHAN_LIMIT_MS));
  // The channel must not keep a process alive that has nothing left to do.
  process.channel?.unref();
  if (!process.connected) shutDown(ORPHAN_LIMIT_MS);
}

/**
 * Begins the shutdown; a second call ends its delay, and changes nothing else. The exit code is for one that went well.
 */
export function shutDown(limitMs: number = SHUTDOWN_LIMIT_MS, exitCode = 0): void {
  if (running) hurry.abort();
  else running = runSteps(limitMs, exitCode);
}

async function runSteps(limitMs: number, exitCode: number): Promise<void> {
  setTimeout(() => {
    log?.error({ limitMs }, 'the shutdown took too long and is cut off');
    process.exit(1);
  }, limitMs).unref();
  let failed = false;
  for (const step of steps.reverse()) {
    try {
      await step();
    } catch (error) {
      failed = true;
      log?.error({ error }, 'a step of the shutdown failed');
    }
  }
  process.exit(failed ? 1 : exitCode);
}
