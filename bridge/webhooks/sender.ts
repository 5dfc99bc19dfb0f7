import type { Logger } from 'pino';
import { webhookBody } from '../../protocol/http/webhooks.js';
import type { Pool } from '../../store/db/pool.js';
import { makeDeliveries, readDue, readWaiting, settleAttempt } from '../../store/history/webhook-sending.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';
import { LANES, nextLanes, type Candidate } from './lanes.js';
import { post } from './post.js';

/** What the sender of webhooks stands on. */
export interface WebhookDependencies {
  pool: Pool;
  log: Logger;
  /** Epoch milliseconds. */
  now: () => number;
  guard: LeaseGuard;
  /** Whether webhooks may lead to loopback, link-local and private addresses. */
  allowPrivate: boolean;
  /** A lane is free again: `send` may find more to do. */
  left?: () => void;
}

/**
 * Tells webhooks what was sealed. It exists beside the outbox because here each event counts, not only the newest
 * state: deliveries are rows of their own, made by a cursor in the history, and each is sent at least once.
 *
 * Each webhook has a lane of its own: within it deliveries go one after the other, in the order of the history, while
 * `send` goes on without waiting for it. So a receiver that is slow, or answers in a way that never ends, costs itself
 * alone. Lanes are bounded, and shared out among tenants (lanes.ts).
 */
export class WebhookSender {
  private readonly ending = new AbortController();
  private readonly lanes = new Map<string, { readonly tenantId: string; readonly done: Promise<void> }>();

  constructor(private readonly deps: WebhookDependencies) {}

  /** Begins what is due and has room; waits for no receiver. @returns whether there may be more to do right now. */
  async send(): Promise<boolean> {
    const { pool, now, guard } = this.deps;
    const behind = await makeDeliveries(pool, guard.fence, now());
    if (this.lanes.size >= LANES.inAll) return false;
    const waiting = await readWaiting(pool, now());
    const free = waiting.filter(({ webhookId }) => !this.lanes.has(webhookId));
    if (this.ending.signal.aborted) return false;
    for (const one of nextLanes(
      free,
      [...this.lanes.values()].map(({ tenantId }) => tenantId),
    ))
      this.begin(one);
    return behind;
  }

  /** What is under way is given up, and made again by the next leader. Resolves when nothing is. */
  async end(): Promise<void> {
    this.ending.abort();
    await this.idle();
  }

  /** Resolves when the lanes that are under way now have ended. @returns how many they were. */
  async idle(): Promise<number> {
    const all = [...this.lanes.values()];
    await Promise.all(all.map(({ done }) => done));
    return all.length;
  }

  private begin({ tenantId, webhookId }: Candidate): void {
    const { guard, log, left } = this.deps;
    const done = guard
      .during(() => this.sendInOrder(tenantId, webhookId), undefined)
      // A later round finds it again.
      .catch((error: unknown) => log.warn({ err: error, tenantId, webhookId }, 'deliveries of a webhook failed'))
      .finally(() => {
        this.lanes.delete(webhookId);
        if (!this.ending.signal.aborted) left?.();
      });
    this.lanes.set(webhookId, { tenantId, done });
  }

  /** Some of what is due: then others have their turn. */
  private async sendInOrder(tenantId: string, webhookId: string): Promise<void> {
    const { pool, log, now, guard, allowPrivate } = this.deps;
    for (const due of await readDue(pool, tenantId, webhookId, now())) {
      if (this.ending.signal.aborted) return;
      guard.assert();
      const { id, url, secret, entry } = due;
      const attempted = await post(
        { url, secret, id, event: entry.event, body: webhookBody(id, entry), now: now() },
        allowPrivate,
        this.ending.signal,
      );
      if (!attempted) return;
      const disabled = await settleAttempt(pool, guard.fence, due, attempted, now());
      if (disabled !== undefined) log.warn({ tenantId, webhookId }, `a webhook was disabled: ${disabled}`);
      if (!attempted.ok) return;
    }
  }
}
