import { continueAsNew, defineSignal, setHandler } from '@temporalio/workflow';
import type { Decided } from '../domain/installation/decided.js';
import type { ProcessStatus, StatusUpdate } from '../domain/installation/process-status.js';
import { STATUS, type InstallationRef } from './messages.js';
import { statusIn } from './status-in.js';
import { isHistoryLong, waitFor } from './waiting.js';

const statusSignal = defineSignal<[StatusUpdate]>(STATUS);

/**
 * The waiting of one installation's process: for a signal, which carries where the row stands now, or for a deadline.
 * Signals are level-triggered: only the newest counts. Nothing else is kept, so that a new run needs nothing but the
 * reference: its first activity reads the row.
 */
export class Mission {
  /** The newest signal that nothing has waited for yet. */
  private pending: ProcessStatus | undefined;
  /** The status that came by the last signal that was waited for. */
  private signalled: ProcessStatus | undefined;

  constructor(readonly ref: InstallationRef) {
    setHandler(statusSignal, (update) => {
      this.pending = statusIn(update) ?? this.pending;
    });
  }

  /** Whether this is what a signal said, and no activity has. */
  wasSignalled(at: ProcessStatus): boolean {
    return at === this.signalled;
  }

  /**
   * Waits for a signal, at most until the status must be looked at again.
   * @returns undefined when the time came first.
   */
  async signalBefore(at: ProcessStatus): Promise<ProcessStatus | undefined> {
    if (isHistoryLong()) await continueAsNew(this.ref);
    await waitFor(() => this.pending !== undefined, at, at === this.signalled ? 'signal' : 'answer');
    this.signalled = this.pending;
    this.pending = undefined;
    return this.signalled;
  }

  /**
   * The next status: of a signal, or of what is decided once the deadline has passed. A signal may come after the
   * deadline that it carries; then it is decided at once, because the shortest timer of the engine takes about a
   * second. Whether it has passed is also seen by PostgreSQL's clock, which said the status.
   */
  async signalOrDeadline(
    at: ProcessStatus,
    decide: (ref: InstallationRef) => Promise<Decided>,
  ): Promise<ProcessStatus> {
    const isOverdue = at === this.signalled && at.until !== null && at.until <= Math.max(at.saidAt ?? 0, Date.now());
    const next = isOverdue ? undefined : await this.signalBefore(at);
    return next ?? (await decide(this.ref)).status;
  }
}
