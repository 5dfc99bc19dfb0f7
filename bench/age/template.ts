import type { RolloutResource } from '../../demo/rollout/resource.js';
import { Fleet } from '../fleet.js';
import { SLOT } from '../messages.js';
import type { Context } from '../part.js';
import type { Stage } from '../stage.js';
import { until } from '../wait.js';

const DEVICES = 10;
const LIMIT_MS = 120_000;

/** A row as JSON, without its ids; `times`: its columns that are a time, in milliseconds since the row began. */
export interface Template {
  readonly row: Readonly<Record<string, unknown>>;
  readonly times: Readonly<Record<string, number>>;
}

/** An entry of the history; `after`: milliseconds since what it belongs to began. */
export interface EntryTemplate {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly after: number;
}

/** What one real rollout left in the tables. */
export interface Templates {
  readonly installation: Template;
  readonly entries: readonly EntryTemplate[];
  readonly rollout: Template;
  readonly groups: readonly Template[];
  readonly target: Template;
  readonly rolloutEntries: readonly EntryTemplate[];
}

/**
 * Rolls something out to some simulated devices, and reads the rows that it left: so that what is multiplied by the
 * fleet and by the months is what the service writes, and not a guess at it.
 */
export async function readTemplates(context: Context, stage: Stage): Promise<Templates> {
  const devices = await stage.register(DEVICES);
  await new Fleet(context).connect(stage, devices, 'install');
  const { operator } = stage;
  const { id } = await operator.call<RolloutResource>('POST', '/v1/rollouts', {
    name: 'template',
    steps: [{ slot: SLOT, firmwareId: await stage.firmware() }],
    targets: { filter: 'name==bench*' },
    pace: { maxInFlight: 500, startsPerMinute: 100_000 },
  });
  const read = () => operator.call<RolloutResource>('GET', `/v1/rollouts/${id}`);
  const isWhole = async () => (await read()).groups.reduce((sum, { size }) => sum + size, 0) === DEVICES;
  await until('the targets are snapshotted', isWhole, LIMIT_MS);
  await operator.call('POST', `/v1/rollouts/${id}/start`);
  await until('the rollout has finished', async () => (await read()).phase === 'finished', LIMIT_MS);
  const rowsOf = async (sql: string, values: unknown[]) =>
    (await stage.sql.query<{ row: Record<string, unknown> }>(sql, values)).rows.map(({ row }) => row);
  const one = async (table: string, key: string): Promise<Record<string, unknown>> => {
    const [row] = await rowsOf(`SELECT to_jsonb(t) AS row FROM ${table} t WHERE ${key} = $1 LIMIT 1`, [id]);
    if (!row) throw new Error(`the rollout left nothing in ${table}`);
    return row;
  };
  const installation = await one('installations', 'rollout_id');
  const rollout = await one('rollouts', 'id');
  const groups = await rowsOf(
    'SELECT to_jsonb(g) AS row FROM rollout_groups g WHERE rollout_id = $1 ORDER BY position',
    [id],
  );
  const entriesOf = async (where: string, of: unknown, began: unknown): Promise<EntryTemplate[]> =>
    (await rowsOf(`SELECT to_jsonb(h) AS row FROM history h WHERE ${where} ORDER BY entry`, [of])).map((row) => ({
      event: String(row['event']),
      data: row['data'] as Record<string, unknown>,
      after: Date.parse(String(row['at'])) - Date.parse(String(began)),
    }));
  const began = String(rollout['created_at']);
  return {
    installation: templateOf(installation, String(installation['requested_at'])),
    entries: await entriesOf('installation_id = $1', installation['id'], installation['requested_at']),
    rollout: templateOf(rollout, began),
    groups: groups.map((row) => templateOf(row, began)),
    target: templateOf(await one('rollout_targets', 'rollout_id'), String(installation['requested_at'])),
    rolloutEntries: await entriesOf('rollout_id = $1 AND installation_id IS NULL', id, began),
  };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$/;

function templateOf(row: Readonly<Record<string, unknown>>, began: string): Template {
  const isTime = (value: unknown): value is string => typeof value === 'string' && TIME.test(value);
  return {
    row,
    times: Object.fromEntries(
      Object.entries(row).flatMap(([column, value]) =>
        isTime(value) ? [[column, Date.parse(value) - Date.parse(began)]] : [],
      ),
    ),
  };
}
