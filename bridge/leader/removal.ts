import { removeTenants } from '../../store/commands/remove-tenant.js';
import type { Fence } from '../../store/db/leases.js';
import type { Pool } from '../../store/db/pool.js';

/**
 * Removes the tenants that go, a page at a time, so that it never keeps others waiting.
 *
 * Modes: between two rounds, or in one; a round that fails begins again, with what is left.
 */
export class Removal {
  private round: AsyncGenerator<void, void, void> | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly fence: Fence,
  ) {}

  /** One page. @returns whether the round goes on. @throws what the database says. */
  async step(): Promise<boolean> {
    const round = this.round ?? removeTenants(this.pool, this.fence);
    this.round = undefined;
    const { done } = await round.next();
    if (done !== true) this.round = round;
    return done !== true;
  }
}
