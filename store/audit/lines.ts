import { AUDIT } from '../history/history.js';

/** A sealed entry as its line needs it; texts as PostgreSQL prints them. */
export interface LineRow {
  /** @narrowed sealed entries are asked for: in the chain of the tenant's history, from 1 on */
  number: string;
  tenant_id: string;
  /** `YYYY-MM-DDTHH:MM:SS.ssssssZ`. */
  at: string;
  device_id: string | null;
  installation_id: string | null;
  rollout_id: string | null;
  event: string;
  /** jsonb as text: one order of members, whatever was written. */
  data: string;
}

/** The columns of a LineRow in SQL. */
export const LINE_COLUMNS = `number, tenant_id,
  to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
  device_id, installation_id, rollout_id, event, data::text AS data`;

/**
 * The one line of JSON that an entry is in the export, and whose hash is its leaf in the tree: the same bytes, so that
 * a verifier needs no rule of ours but "hash the line". Never change it: each tree that was signed would be another.
 */
export function lineOf(row: LineRow): string {
  const head = `{"entry":${row.number},"tenant":${JSON.stringify(row.tenant_id)},"at":"${row.at}"`;
  if (row.event === AUDIT) return `${head},${row.data.slice(1)}`;
  const about = (['device_id', 'installation_id', 'rollout_id'] as const)
    .filter((name) => row[name] !== null)
    .map((name) => `,"${MEMBER[name]}":"${row[name]}"`);
  return `${head},"event":${JSON.stringify(row.event)}${about.join('')},"data":${row.data}}`;
}

const MEMBER = { device_id: 'deviceId', installation_id: 'installationId', rollout_id: 'rolloutId' } as const;
