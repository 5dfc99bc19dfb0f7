import { oneRow } from '../db/one-row.js';
import { DomainError } from '../../domain/errors.js';
import { newId } from '../db/ids.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { namePattern } from '../db/name-part.js';
import { BY_CREATION, readPage } from '../db/read-page.js';
import { iso } from '../db/times.js';

/** A plan to reuse: any part of one, as a client would send it. */
export interface TemplateView {
  readonly id: string;
  readonly plan: { readonly name: string } & Readonly<Record<string, unknown>>;
  readonly createdBy: string;
  readonly createdAt: number;
}

interface TemplateRow {
  id: string;
  plan: TemplateView['plan'];
  created_by: string;
  created_at: Date;
}

const COLUMNS = 'id, plan, created_by, created_at';

/** Stores a part of a plan under a new id. `now`: epoch milliseconds. */
export async function createTemplate(
  tx: Tx,
  tenantId: string,
  plan: TemplateView['plan'],
  createdBy: string,
  now: number,
): Promise<TemplateView> {
  const { rows } = await tx.query<TemplateRow>(
    `INSERT INTO rollout_templates (tenant_id, id, plan, created_by, created_at) VALUES ($1, $2, $3, $4, $5)
      RETURNING ${COLUMNS}`,
    [tenantId, newId(), JSON.stringify(plan), createdBy, iso(now)],
  );
  return toView(oneRow(rows, 'the new template'));
}

/** @returns undefined where the tenant has no such template. */
export async function readTemplate(tx: Tx, tenantId: string, id: string): Promise<TemplateView | undefined> {
  const { rows } = await tx.query<TemplateRow>(
    `SELECT ${COLUMNS} FROM rollout_templates WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] && toView(rows[0]);
}

/** Newest first, or by `name`. @param q part of the name, in any case of letters. */
export async function listTemplates(
  tx: Tx,
  tenantId: string,
  q: string | undefined,
  page: PageRequest,
): Promise<Page<TemplateView>> {
  const named = namePattern(q);
  const where = ['tenant_id = $1', ...(named === undefined ? [] : [`plan->>'name' ILIKE $2`])];
  const values = [tenantId, ...(named === undefined ? [] : [named])];
  return readPage<TemplateRow, TemplateView>(
    tx,
    {
      columns: COLUMNS,
      from: 'rollout_templates',
      where,
      values,
      sorts: { createdAt: BY_CREATION, name: { sql: `(plan->>'name') COLLATE "C"`, type: 'text' } },
      time: 'createdAt',
    },
    page,
    toView,
  );
}

/** Rollouts that were made from it keep what they took. @throws DomainError ROLLOUT_TEMPLATE_NOT_FOUND */
export async function deleteTemplate(tx: Tx, tenantId: string, id: string): Promise<void> {
  const gone = await tx.query('DELETE FROM rollout_templates WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
  if (gone.rowCount === 0) throw noSuchTemplate(id);
}

/** 404, the same for a template of another tenant. Made, not thrown. */
export function noSuchTemplate(id: string): DomainError {
  return new DomainError('ROLLOUT_TEMPLATE_NOT_FOUND', `template ${id} does not exist`);
}

function toView(row: TemplateRow): TemplateView {
  return { id: row.id, plan: row.plan, createdBy: row.created_by, createdAt: row.created_at.getTime() };
}
