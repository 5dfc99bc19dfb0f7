import { writeKeyUse, type KeyUse } from '../../store/db/api-keys.js';
import type { Pool } from '../../store/db/pool.js';

/** `lastUsedAt` is told to the minute (docs/contracts/operators.md, "API keys"). */
const MINUTE_MS = 60_000;

/**
 * When each key was used last. It exists so that no request writes for it: uses are collected here, one for each key,
 * and written together from time to time. What a killed process had not written is lost; the next use is a minute away.
 */
export class UsedKeys {
  private uses = new Map<string, KeyUse>();
  /** What was written last, so that a minute is written once. */
  private written = new Map<string, number>();

  /** @param now epoch milliseconds */
  note({ tenantId, id }: { tenantId: string; id: string }, now: number): void {
    const at = now - (now % MINUTE_MS);
    if (this.written.get(id) !== at) this.uses.set(id, { tenantId, id, at });
  }

  /** @returns how many keys were used since it was called last. What could not be written is kept for the next time. */
  async write(pool: Pool): Promise<number> {
    const uses = this.uses;
    this.uses = new Map();
    try {
      const count = await writeKeyUse(pool, [...uses.values()]);
      for (const { id, at } of uses.values()) this.written.set(id, at);
      return count;
    } catch (error) {
      for (const [id, use] of uses) if (!this.uses.has(id)) this.uses.set(id, use);
      throw error;
    }
  }
}
