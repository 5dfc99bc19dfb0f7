import { oneRow } from '../db/one-row.js';
import { DomainError } from '../../domain/errors.js';
import type { PrintableDelivery, PrintableWebhook } from '../../protocol/http/webhooks.js';
import { newId } from '../db/ids.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { BY_CREATION, readPage } from '../db/read-page.js';
import { iso } from '../db/times.js';
import { MAX_PENDING } from './webhook-sending.js';

/** The secret is not among it: it is read only to sign. */
export type WebhookView = PrintableWebhook;

/** What a caller asks for (docs/contracts/rest-api.md, "Events and webhooks"). */
export interface WebhookWanted {
  readonly url: string;
  /** Empty = all. */
  readonly events: readonly string[];
  readonly description: string | null;
}

/** Absent members stay as they are. */
export interface WebhookChange extends Partial<WebhookWanted> {
  readonly enabled?: boolean;
}

interface WebhookRow {
  id: string;
  url: string;
  events: string[];
  description: string | null;
  position: string;
  failing_since: Date | null;
  disabled_at: Date | null;
  disabled_because: string | null;
  created_by: string;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS =
  'id, url, events, description, position, failing_since, disabled_at, disabled_because, created_by, created_at, updated_at';
/** The leader goes over all of them each second. */
const MAX_WEBHOOKS = 50;

/** Its deliveries begin with what is sealed next. @throws DomainError WEBHOOK_LIMIT */
export async function createWebhook(
  tx: Tx,
  tenantId: string,
  wanted: WebhookWanted & { secret: string; createdBy: string },
  now: number,
): Promise<WebhookView> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('slipway.webhooks.' || $1, 0))`, [tenantId]);
  const { rows: counted } = await tx.query<{ n: number }>(
    'SELECT count(*)::integer AS n FROM webhooks WHERE tenant_id = $1',
    [tenantId],
  );
  if (oneRow(counted, 'the count of webhooks').n >= MAX_WEBHOOKS)
    throw new DomainError('WEBHOOK_LIMIT', `there are ${MAX_WEBHOOKS} webhooks already; delete one`);
  const { rows } = await tx.query<WebhookRow>(
    `INSERT INTO webhooks (tenant_id, id, url, events, description, secret, position, created_by, created_at,
      updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, coalesce((SELECT number FROM history WHERE tenant_id = $1 AND number IS NOT NULL
       ORDER BY number DESC LIMIT 1), 0), $7, $8, $8) RETURNING ${COLUMNS}`,
    [tenantId, newId(), wanted.url, wanted.events, wanted.description, wanted.secret, wanted.createdBy, iso(now)],
  );
  return toView(oneRow(rows, 'the new webhook'));
}

/** @throws DomainError WEBHOOK_NOT_FOUND */
export async function readWebhook(tx: Tx, tenantId: string, id: string): Promise<WebhookView> {
  const { rows } = await tx.query<WebhookRow>(`SELECT ${COLUMNS} FROM webhooks WHERE tenant_id = $1 AND id = $2`, [
    tenantId,
    id,
  ]);
  if (!rows[0]) throw noSuchWebhook(id);
  return toView(rows[0]);
}

/** Newest first. */
export async function listWebhooks(tx: Tx, tenantId: string): Promise<WebhookView[]> {
  const { rows } = await tx.query<WebhookRow>(
    `SELECT ${COLUMNS} FROM webhooks WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC`,
    [tenantId],
  );
  return rows.map(toView);
}

/**
 * Enabling forgets the failures, and goes on where the webhook stopped: nothing that happened meanwhile is left out.
 * @throws DomainError WEBHOOK_NOT_FOUND
 */
export async function changeWebhook(
  tx: Tx,
  tenantId: string,
  id: string,
  by: string,
  change: WebhookChange,
  now: number,
): Promise<WebhookView> {
  const before = await readWebhook(tx, tenantId, id);
  const { url, events, description } = { ...before, ...change };
  await tx.query(
    'UPDATE webhooks SET url = $3, events = $4, description = $5, updated_at = $6 WHERE tenant_id = $1 AND id = $2',
    [tenantId, id, url, events, description, iso(now)],
  );
  if (change.enabled === true) {
    await tx.query(
      'UPDATE webhooks SET disabled_at = NULL, disabled_because = NULL, failing_since = NULL, failures = 0, quiet_until = NULL WHERE tenant_id = $1 AND id = $2',
      [tenantId, id],
    );
    await tx.query(
      `UPDATE webhook_deliveries SET due_at = $3 WHERE tenant_id = $1 AND id IN (SELECT id FROM webhook_deliveries
         WHERE tenant_id = $1 AND webhook_id = $2 AND state = 'pending' ORDER BY due_at, number LIMIT ${MAX_PENDING})`,
      [tenantId, id, iso(now)],
    );
  }
  if (change.enabled === false && before.disabledAt === null) {
    await tx.query('UPDATE webhooks SET disabled_at = $3, disabled_because = $4 WHERE tenant_id = $1 AND id = $2', [
      tenantId,
      id,
      iso(now),
      `Disabled by ${by}.`,
    ]);
  }
  return readWebhook(tx, tenantId, id);
}

/** @throws DomainError WEBHOOK_NOT_FOUND */
export async function deleteWebhook(tx: Tx, tenantId: string, id: string): Promise<void> {
  const gone = await tx.query('DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
  if (gone.rowCount === 0) throw noSuchWebhook(id);
}

/** A delivery as lists show it. */
export type DeliveryView = PrintableDelivery;
type DeliveryState = DeliveryView['state'];

interface DeliveryRow {
  id: string;
  number: string;
  event: string;
  state: DeliveryState;
  attempts: number;
  due_at: Date;
  last_attempt_at: Date | null;
  last_status: number | null;
  last_error: string | null;
  redelivery_of: string | null;
  created_at: Date;
}

const DELIVERY_COLUMNS =
  'id, number, event, state, attempts, due_at, last_attempt_at, last_status, last_error, redelivery_of, created_at';

/** Newest first. @throws DomainError WEBHOOK_NOT_FOUND */
export async function listDeliveries(
  tx: Tx,
  tenantId: string,
  webhookId: string,
  state: readonly DeliveryState[] | undefined,
  page: PageRequest,
): Promise<Page<DeliveryView>> {
  await readWebhook(tx, tenantId, webhookId);
  const where = ['tenant_id = $1', 'webhook_id = $2', ...(state ? ['state = ANY($3::text[])'] : [])];
  return readPage<DeliveryRow, DeliveryView>(
    tx,
    {
      columns: DELIVERY_COLUMNS,
      from: 'webhook_deliveries',
      where,
      values: [tenantId, webhookId, ...(state ? [state] : [])],
      sorts: { createdAt: BY_CREATION },
      time: 'createdAt',
    },
    page,
    toDelivery,
  );
}

/**
 * The same entry of the history once more, as a delivery of its own. @throws DomainError WEBHOOK_NOT_FOUND,
 * WEBHOOK_DELIVERY_NOT_FOUND
 */
export async function redeliver(
  tx: Tx,
  tenantId: string,
  webhookId: string,
  id: string,
  now: number,
): Promise<DeliveryView> {
  // Its deliveries are deleted after it: none may come later.
  await tx.query('SELECT FROM webhooks WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE', [tenantId, webhookId]);
  await readWebhook(tx, tenantId, webhookId);
  const { rows } = await tx.query<DeliveryRow>(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, number, event, due_at, redelivery_of, created_at)
     SELECT tenant_id, $4, webhook_id, number, event, $5, id, $5 FROM webhook_deliveries WHERE tenant_id = $1
       AND webhook_id = $2 AND id = $3 RETURNING ${DELIVERY_COLUMNS}`,
    [tenantId, webhookId, id, newId(), iso(now)],
  );
  if (!rows[0])
    throw new DomainError(
      'WEBHOOK_DELIVERY_NOT_FOUND',
      `this webhook has no delivery ${id}; what ended is kept for a week`,
    );
  return toDelivery(rows[0]);
}

function noSuchWebhook(id: string): DomainError {
  return new DomainError('WEBHOOK_NOT_FOUND', `webhook ${id} does not exist`);
}

function toView(row: WebhookRow): WebhookView {
  return {
    id: row.id,
    url: row.url,
    events: row.events,
    description: row.description,
    position: Number(row.position),
    failingSince: ms(row.failing_since),
    disabledAt: ms(row.disabled_at),
    disabledBecause: row.disabled_because,
    createdBy: row.created_by,
    createdAt: row.created_at.getTime(),
    updatedAt: row.updated_at.getTime(),
  };
}

function toDelivery(row: DeliveryRow): DeliveryView {
  return {
    id: row.id,
    number: Number(row.number),
    event: row.event,
    state: row.state,
    attempts: row.attempts,
    dueAt: row.state === 'pending' ? row.due_at.getTime() : null,
    lastAttemptAt: ms(row.last_attempt_at),
    lastStatus: row.last_status,
    lastError: row.last_error,
    redeliveryOf: row.redelivery_of,
    createdAt: row.created_at.getTime(),
  };
}

function ms(date: Date | null): number | null {
  return date === null ? null : date.getTime();
}
