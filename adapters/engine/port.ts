import type { ProcessSignal, ProcessStatus } from '../../domain/installation/process-status.js';
import type { InstallationRef, RolloutRef } from '../../workflows/messages.js';

/**
 * What the sender of the outbox asks of the engine. Every call is idempotent: a start of a running process does
 * nothing, and a signal that is repeated says the same again.
 */
export interface Engine {
  /**
   * Starts the process of an installation, or leaves the running one alone. One that was terminated or lost starts
   * again under its id.
   */
  start(ref: InstallationRef): Promise<void>;
  /**
   * @returns 'gone' where no process runs: it ended, which is a success, or it was lost, and the caller knows which.
   */
  signal(installationId: string, news: ProcessSignal, status: ProcessStatus): Promise<'sent' | 'gone'>;
  /** Has the process of a rollout look again, and starts it where none runs. */
  poke(ref: RolloutRef): Promise<void>;
  close(): Promise<void>;
}
