import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { webhookBody } from '../../protocol/http/webhooks.js';
import type { Pool } from '../../store/db/pool.js';
import { makeDeliveries, readDue, settleAttempt, type DueDelivery } from '../../store/history/webhook-sending.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';
import { post } from './post.js';

/** Webhooks at once; within one, deliveries go one after the other, in the order of the history. */
const AT_ONCE = 16;

/**
 * Tells webhooks what was sealed. It exists beside the outbox because here each event counts, not only the newest
 * state: deliveries are rows of their own, made by a cursor in the history, and each is sent at least once. A receiver
 * that fails costs itself, not the others.
 */
export class WebhookSender {
  private readonly ending = new AbortController();

  constructor(
    private readonly deps: { pool: Pool; log: Logger; now: () => number; guard: LeaseGuard; allowPrivate: boolean },
  ) {}

  /** @returns whether there may be more to do right now. */
  async send(): Promise<boolean> {
    const { pool, now, guard } = this.deps;
    const behind = await makeDeliveries(pool, guard.fence, now());
    const due = await readDue(pool, now());
    const limit = pLimit(AT_ONCE);
    const ofEach = new Map<string, DueDelivery[]>();
    for (const one of due) ofEach.set(one.webhookId, [...(ofEach.get(one.webhookId) ?? []), one]);
    const sent = await Promise.all([...ofEach.values()].map((list) => limit(() => this.sendInOrder(list))));
    return behind || sent.some((all) => all);
  }

  /** What is under way is given up, and made again by the next leader. */
  end(): void {
    this.ending.abort();
  }

  /** @returns whether all of them were delivered: then there may be more. */
  private async sendInOrder(list: readonly DueDelivery[]): Promise<boolean> {
    const { pool, log, now, guard, allowPrivate } = this.deps;
    for (const due of list) {
      if (this.ending.signal.aborted) return false;
      guard.assert();
      const { id, url, secret, entry } = due;
      const attempted = await post(
        { url, secret, id, event: entry.event, body: webhookBody(id, entry), now: now() },
        allowPrivate,
        this.ending.signal,
      );
      if (!attempted) return false;
      const disabled = await settleAttempt(pool, guard.fence, due, attempted, now());
      if (disabled !== undefined)
        log.warn({ tenantId: due.tenantId, webhookId: due.webhookId }, `a webhook was disabled: ${disabled}`);
      if (!attempted.ok) return false;
    }
    return list.length > 0;
  }
}
