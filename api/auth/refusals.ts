import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { DomainError } from '../../domain/errors.js';
import { writeAct, type Actor } from '../../store/audit/entries.js';
import type { Pool } from '../../store/db/pool.js';
import { keepTenant } from '../../store/db/tenants.js';
import { asService } from '../../store/db/transaction.js';
import { actorOf } from '../http/acts.js';
import type { Principal } from '../http/route.js';

const MINUTE_MS = 60_000;
/** Keys times routes in one minute; beyond it the log alone tells. */
const MAX_COUNTED = 10_000;

interface Counted {
  tenantId: string;
  actor: Actor;
  route: string;
  permission: string;
  count: number;
}

/**
 * What known keys were refused for want of a permission: one entry of the audit for each key, route and minute, with
 * how often. So that a script that is refused a thousand times a second costs nothing and hides nothing.
 */
export class Refusals {
  private counted = new Map<string, Counted>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly now: () => number,
    private readonly log: Logger,
  ) {}

  /**
   * Counts the error of a request where it is such a refusal.
   * @param route method and path as the OpenAPI document writes them
   */
  notice(error: unknown, route: string, request: Request, response: Response): void {
    const principal = response.locals['principal'] as Principal | undefined;
    if (!(error instanceof DomainError) || error.code !== 'AUTH_FORBIDDEN' || principal === undefined) return;
    const permission = String(error.facts['permission']);
    const key = JSON.stringify([principal.tenantId, principal.id, principal.subject, route]);
    const found = this.counted.get(key);
    if (found) found.count += 1;
    else if (this.counted.size < MAX_COUNTED)
      this.counted.set(key, {
        tenantId: principal.tenantId,
        actor: actorOf(principal, request, response),
        route,
        permission,
        count: 1,
      });
    this.timer ??= setTimeout(() => void this.write(), MINUTE_MS - (this.now() % MINUTE_MS)).unref();
  }

  /** Writes what was counted. */
  async end(): Promise<void> {
    await this.write();
    clearTimeout(this.timer);
  }

  private async write(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const counted = [...this.counted.values()];
    this.counted = new Map();
    for (const { tenantId, actor, route, permission, count } of counted) {
      await asService(this.pool, async (tx) => {
        // It may have been removed within this minute: then no history of it is left, and none begins.
        if (!(await keepTenant(tx, tenantId))) return;
        const act = {
          actor,
          action: 'permission.refuse',
          id: route,
          effect: {},
          asked: { permission },
          count,
        } as const;
        await writeAct(tx, tenantId, act, this.now());
      }).catch((error: unknown) =>
        this.log.warn({ err: error, tenantId, by: actor.id, route, count }, 'a refusal could not be written down'),
      );
    }
  }
}
