import type { StatusUpdate } from '../../domain/installation/process-status.js';
import type { InstallationRef, RolloutRef } from '../../workflows/messages.js';

/**
 * What the sender of the outbox asks of the engine. Every call is idempotent: a start of a running process does
 * nothing, and a signal that is repeated says the same again.
 */
export interface Engine {
  /**
   * Starts the process of an installation, or leaves the running one alone. One that ended in whatever way, was
   * terminated or lost starts again under its id.
   */
  start(ref: InstallationRef, title: ProcessTitle): Promise<void>;
  /**
   * @returns 'gone' where no process runs: it ended, which is a success, or it was lost, and the caller knows which.
   */
  signal(installationId: string, update: StatusUpdate): Promise<'sent' | 'gone'>;
  /** Has the process of a rollout look again, and starts it where none runs. */
  poke(ref: RolloutRef, title: ProcessTitle): Promise<void>;
  /**
   * What the processes are about that have ended since then, however they did; of other services on the same engine,
   * too, where it cannot tell.
   * @param since of the answer before; absent = the newest ones, some thousands
   */
  endedSince(since?: string): Promise<Ended>;
  close(): Promise<void>;
}

/** What people read of a process beside its id; fixed when it starts. */
export interface ProcessTitle {
  /** One line of Markdown, at most 200 bytes of UTF-8. */
  readonly summary: string;
  /** Markdown, at most 20,000 bytes. */
  readonly details: string;
}

/** Processes that have ended: the ids of installations and rollouts, and from where to ask on. */
export interface Ended {
  readonly installations: readonly string[];
  readonly rollouts: readonly string[];
  /** By the engine's own clock; absent while nothing has ended. */
  readonly since?: string;
}
