import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { machineCpuMs, total, usageBelow } from './usage.js';

/** Where a figure was measured: without it, it cannot be compared. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  const all = cpus();
  return {
    cores: all.length,
    cpu: all[0]?.model.trim() ?? 'unknown',
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release().split('-')[0] ?? '',
    node: process.version,
  };
}

/**
 * `abc1234`, with `+` where the tree held changes that are not in it; results and the page made of them do not count.
 */
export function describeCommit(root: string): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const changed = git('status', '--porcelain', '--', '.', ':!bench/results', ':!docs/performance.md');
    return `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`;
  } catch {
    // A tree without its history, or a machine without git: the figures stand, only their origin is not known.
    return 'unknown';
  }
}

/** How busy the machine was with other things than the bench. */
export interface Load {
  /** Runnable processes, over a minute. */
  readonly before: number;
  readonly after: number;
  /** 0 to 1: of the machine's CPU, what other work than the bench and all that it started had. */
  readonly others: number;
}

export function watchLoad(): () => Load {
  const began = {
    at: performance.now(),
    machine: machineCpuMs(),
    own: total(usageBelow(process.pid)),
    load: loadavg()[0] ?? 0,
  };
  return () => {
    const capacity = (performance.now() - began.at) * cpus().length;
    const others = machineCpuMs() - began.machine - (total(usageBelow(process.pid)) - began.own);
    return {
      before: round(began.load),
      after: round(loadavg()[0] ?? 0),
      others: round(Math.min(1, Math.max(0, others / capacity))),
    };
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
