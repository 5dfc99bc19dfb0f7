import type { Logger } from 'pino';
import type { Fence } from '../../store/db/leases.js';
import type { Pool } from '../../store/db/pool.js';
import { prune } from '../../store/commands/prune.js';

/**
 * What pruning goes by. `now` is PostgreSQL's time, and the retentions how old something must be: milliseconds. Without
 * `actsRetentionMs` what people did is kept.
 */
export interface PruningOptions {
  readonly pool: Pool;
  readonly fence: Fence;
  readonly now: () => number;
  readonly retentionMs: number;
  readonly actsRetentionMs: number | undefined;
  readonly log: Pick<Logger, 'error'>;
}

/**
 * Removes what is older than the retention, a page at a time, so that it never keeps others waiting. It exists because
 * nothing else ever removes an ended installation or an entry of the history.
 *
 * Modes: between two rounds, or in one; a round that fails begins again.
 */
export class Pruning {
  private round: AsyncGenerator<void, void, void> | undefined;

  constructor(private readonly options: PruningOptions) {}

  /** One page. @returns whether the round goes on. @throws what the database says. */
  async step(): Promise<boolean> {
    const { pool, fence, now, retentionMs, actsRetentionMs, log } = this.options;
    const before = {
      history: now() - retentionMs,
      acts: actsRetentionMs === undefined ? undefined : now() - actsRetentionMs,
    };
    this.round ??= prune(pool, fence, before, (broken) => log.error({ err: broken }, broken.message));
    const round = this.round;
    this.round = undefined;
    const { done } = await round.next();
    if (done !== true) this.round = round;
    return done !== true;
  }
}
