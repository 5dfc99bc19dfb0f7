import { createHash } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { resourceOf, type Action, type Effect, type Resource, type Shown } from '../../domain/audit/actions.js';
import { totalOf } from '../db/count.js';
import { cursorAfter, parseEntryCursor } from '../db/cursors.js';
import type { KeysetRequest, Page } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { between, iso } from '../db/times.js';
import { AUDIT } from '../history/history.js';
import { readDropped } from '../history/seal.js';
import { LINE_COLUMNS, lineOf, type LineRow } from './lines.js';

/** A person or program that does something, and how it came in. */
export interface Actor {
  /** As `createdBy` has it: `key:<name>`, `user:<sub>`. */
  readonly id: string;
  /** Id of the API key, or `jti` of the token; null where there is none. */
  readonly credential: string | null;
  /** Of the client, as the connection has it; null where it is not known. */
  readonly address: string | null;
  /** `X-Request-Id` of the request. */
  readonly requestId: string;
}

/** One act, as it is written. */
export interface Act {
  readonly actor: Actor;
  readonly action: Action;
  /** Of what it was done to; for a refusal, the route. */
  readonly id: string;
  readonly effect: Effect;
  /** What was asked for with it: a reason, a comment. */
  readonly asked?: Shown | undefined;
  /** How often, where one entry stands for many. */
  readonly count?: number;
}

/** A side of an effect, or what was asked, that is longer as JSON is named by its hash: entries stay forever. */
const MAX_SIDE_BYTES = 16_384;

/** Appends the act to the history, in the transaction that does it: what is rolled back was not done. */
export function writeAct(tx: Tx, tenantId: string, act: Act, at: number): Promise<void> {
  return writeActs(tx, tenantId, [act], at);
}

/** The same for several acts at once. */
export async function writeActs(tx: Tx, tenantId: string, acts: readonly Act[], at: number): Promise<void> {
  if (acts.length === 0) return;
  await tx.query(
    'INSERT INTO history (tenant_id, at, event, data) SELECT $1, $2, $3, data FROM unnest($4::jsonb[]) AS n(data)',
    [tenantId, iso(at), AUDIT, acts.map((act) => JSON.stringify(saidOf(act)))],
  );
}

function saidOf({ actor, action, id, effect, asked, count }: Act): Shown {
  return {
    action,
    actor: actor.id,
    resource: { type: resourceOf(action), id },
    from: { address: actor.address, credential: actor.credential },
    requestId: actor.requestId,
    ...(effect.before && { before: bounded(effect.before) }),
    ...(effect.after && { after: bounded(effect.after) }),
    ...(asked && { asked: bounded(asked) }),
    ...(count !== undefined && { count }),
  };
}

function bounded(shown: Shown): Shown {
  const text = JSON.stringify(shown);
  if (Buffer.byteLength(text) <= MAX_SIDE_BYTES) return shown;
  return { omitted: { bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') } };
}

/** An entry of the audit: the members of its line in the export. */
export interface AuditEntry {
  /** Its number in the history, and in the tree over it. */
  readonly entry: number;
  readonly tenant: string;
  /** RFC 3339. */
  readonly at: string;
  readonly action: Action;
  readonly actor: string;
  readonly resource: { readonly type: Resource; readonly id: string };
  readonly from: { readonly address: string | null; readonly credential: string | null };
  readonly requestId: string;
  readonly before?: Shown;
  readonly after?: Shown;
  readonly asked?: Shown;
  readonly count?: number;
}

/** All must match; absent = any. Times are RFC 3339, `until` is not included. */
export interface AuditFilter {
  readonly actor?: readonly string[] | undefined;
  readonly action?: readonly string[] | undefined;
  /** Ids, kinds (`device`), or both (`device/<id>`). */
  readonly resource?: readonly string[] | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Sealed entries only: what was done within the last second may not be there yet. */
export async function listActs(
  tx: Tx,
  tenantId: string,
  { actor, action, resource, since, until }: AuditFilter,
  { pageSize, cursor, newestFirst }: KeysetRequest & { readonly newestFirst: boolean },
): Promise<Page<AuditEntry>> {
  const values: unknown[] = [tenantId];
  const where = [
    'tenant_id = $1',
    `event = '${AUDIT}'`,
    'number IS NOT NULL',
    ...between('at', { since, until }, values),
  ];
  if (actor) {
    values.push(actor);
    where.push(`data->>'actor' = ANY($${values.length}::text[])`);
  }
  if (action) {
    values.push(action);
    where.push(`data->>'action' = ANY($${values.length}::text[])`);
  }
  if (resource) {
    values.push(resource);
    where.push(`(data->'resource'->>'id' = ANY($${values.length}::text[])
      OR data->'resource'->>'type' = ANY($${values.length}::text[])
      OR (data->'resource'->>'type') || '/' || (data->'resource'->>'id') = ANY($${values.length}::text[]))`);
  }
  const counted = { from: 'history', where: [...where], values: [...values] };
  const from = cursor === undefined ? undefined : parseEntryCursor(cursor);
  if (from !== undefined) {
    values.push(from);
    where.push(`number ${newestFirst ? '<' : '>'} $${values.length}`);
  }
  values.push(pageSize + 1);
  const { rows } = await tx.query<LineRow>(
    `SELECT ${LINE_COLUMNS} FROM history WHERE ${where.join(' AND ')}
      ORDER BY number ${newestFirst ? 'DESC' : 'ASC'} LIMIT $${values.length}`,
    values,
  );
  return {
    items: rows.slice(0, pageSize).map(toEntry),
    nextCursor: cursorAfter(rows, pageSize, (row) => row.number),
    total: await totalOf(tx, counted, { read: rows.length, offset: from === undefined ? 0 : undefined, pageSize }),
  };
}

/**
 * One sealed entry of the audit by its number.
 * @throws DomainError AUDIT_ENTRY_NOT_FOUND, AUDIT_ENTRY_DROPPED where it is older than what is kept
 */
export async function readAct(tx: Tx, tenantId: string, number: number): Promise<AuditEntry> {
  const { rows } = await tx.query<LineRow>(`SELECT ${LINE_COLUMNS} FROM history WHERE tenant_id = $1 AND number = $2`, [
    tenantId,
    number,
  ]);
  const [row] = rows;
  if (row?.event === AUDIT) return toEntry(row);
  const { number: dropped } = await readDropped(tx, tenantId);
  if (row === undefined && number >= 1 && number <= dropped)
    throw new DomainError(
      'AUDIT_ENTRY_DROPPED',
      `entry ${number} is older than what is kept; GET /v1/audit/proof?entry=${number} still shows that it was there`,
    );
  throw new DomainError(
    'AUDIT_ENTRY_NOT_FOUND',
    row ? `no person did what entry ${number} says` : `there is no entry ${number}, or not yet`,
  );
}

/** The members of its line, in the order in which people read them. */
function toEntry(row: LineRow): AuditEntry {
  const { entry, tenant, at, action, actor, resource, from, requestId, ...effect } = JSON.parse(
    lineOf(row),
  ) as AuditEntry;
  return { entry, tenant, at, action, actor, resource, from, requestId, ...effect };
}

/** Lines that are read at once for an export. */
const EXPORT_PAGE = 1_000;

/** One row of the export: every entry of the range has one. */
export interface ExportRow {
  readonly number: number;
  readonly isAct: boolean;
  /** The bytes that its leaf is the hash of. */
  readonly line: string;
}

/**
 * The sealed entries with numbers above `after` and up to `upTo`, oldest first, one page of them.
 * @param actsOnly without what devices and processes did
 */
export async function readLines(
  tx: Tx,
  tenantId: string,
  range: { after: number; upTo: number; since?: string | undefined; until?: string | undefined; actsOnly: boolean },
): Promise<ExportRow[]> {
  const values: unknown[] = [tenantId, range.after, range.upTo];
  const where = ['tenant_id = $1', 'number > $2', 'number <= $3', ...between('at', range, values)];
  if (range.actsOnly) where.push(`event = '${AUDIT}'`);
  const { rows } = await tx.query<LineRow>(
    `SELECT ${LINE_COLUMNS} FROM history WHERE ${where.join(' AND ')} ORDER BY number LIMIT ${EXPORT_PAGE}`,
    values,
  );
  return rows.map((row) => ({ number: Number(row.number), isAct: row.event === AUDIT, line: lineOf(row) }));
}
