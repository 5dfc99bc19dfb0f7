import type { Engine } from '../../adapters/engine/port.js';
import { markEndedTooEarly } from '../../store/commands/known-processes.js';
import type { Pool } from '../../store/db/pool.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';

/**
 * Finds processes that have ended before their rows: terminated at the engine, or made to end by a signal that is not
 * ours. Without it, that would show only when the row is due, and a row may wait for months. The engine says what has
 * ended, and PostgreSQL what of that is open.
 */
export class EndedProcesses {
  /** From where the engine is asked on; a new leader begins with the newest ones. */
  private since: string | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly engine: Engine,
    private readonly guard?: LeaseGuard,
  ) {}

  /** @returns how many are started again */
  async look(): Promise<number> {
    const { since, ...ended } = await this.engine.endedSince(this.since);
    this.guard?.assert();
    const marked = await markEndedTooEarly(this.pool, ended, this.guard?.fence);
    this.since = since;
    return marked;
  }
}
