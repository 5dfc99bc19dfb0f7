import type { Pool } from '../../store/db/pool.js';
import { readUnstarted } from '../../store/installations/to-send.js';

/**
 * Processes on their way to their first step: enough that the workers always have one to go on with. Those beyond would
 * only queue at the engine, where each costs a row, holds a place in the workers' cache, and is in the way of those
 * that could finish.
 */
const AT_ONCE = 64;

interface Begun {
  readonly tenantId: string;
  readonly subject: string;
}

/**
 * How many processes may be started now. What waits for it stands in the outbox, the oldest first; what runs already is
 * told its news meanwhile.
 */
export class StartThrottle {
  private begun: readonly Begun[] = [];

  async room(pool: Pool): Promise<number> {
    const unbegun = await readUnstarted(pool, this.begun);
    this.begun = this.begun.filter((one) => unbegun.has(one.subject));
    return Math.max(0, AT_ONCE - this.begun.length);
  }

  add(started: readonly Begun[]): void {
    this.begun = [...this.begun, ...started];
  }
}
