import type { Pool } from '../../../store/db/pool.js';
import { findTenant } from '../../../store/commands/ddi-controller.js';

/** A new tenant is found at once; the name of one that was removed leads on for this time, and to nothing. */
const KNOWN_MS = 10_000;
/** As many as a process serves; beyond it all are asked for again. */
const MOST_NAMES = 10_000;

/**
 * Which tenant a path names: in any case of letters, as hawkBit has it. Each poll would ask the database for it, so
 * what was found is known for some seconds. What was not found is not: a name costs a guesser a statement each time,
 * and the limits of addresses stand before it.
 */
export class TenantNames {
  private readonly known = new Map<string, { readonly id: string; readonly until: number }>();

  constructor(private readonly pool: Pool) {}

  /** @returns undefined where there is no such tenant. */
  async find(name: string): Promise<string | undefined> {
    const known = this.known.get(name);
    if (known && known.until > performance.now()) return known.id;
    const id = await findTenant(this.pool, name);
    if (this.known.size >= MOST_NAMES) this.known.clear();
    if (id !== undefined) this.known.set(name, { id, until: performance.now() + KNOWN_MS });
    return id;
  }
}
