import type { Pool, Tx } from '../db/pool.js';
import { deviceKey } from '../db/keys.js';
import { asService } from '../db/transaction.js';
import { readSlots, slotKey, type SlotView } from './to-send.js';

/** What a device should see now; at most one installation executes on it. */
export interface DesiredView {
  readonly view: SlotView;
  /** Another one where anything of it may have changed: compare it with `desiredKeys`. */
  readonly key: string;
}

interface Named {
  readonly tenantId: string;
  readonly deviceId: string;
}

/** @returns undefined where there is no such device. */
export async function readDesired(tx: Tx, { tenantId, deviceId }: Named): Promise<DesiredView | undefined> {
  const [row] = await rowsOf(tx, [{ tenantId, deviceId }]);
  if (!row) return undefined;
  const slot = row.slot ?? '';
  const views = await readSlots(tx, [{ tenantId, subject: deviceId, detail: slot }]);
  const view = views.get(slotKey(tenantId, deviceId, slot));
  return view && { view, key: keyOf(row) };
}

/** What each of these devices should see, in a few characters, by `deviceKey`. In one statement. */
export async function desiredKeys(pool: Pool, devices: readonly Named[]): Promise<Map<string, string>> {
  const rows = await asService(pool, (tx) => rowsOf(tx, devices));
  return new Map(rows.map((row) => [deviceKey(row.tenant_id, row.device_id), keyOf(row)]));
}

interface DesiredRow {
  tenant_id: string;
  device_id: string;
  hello: boolean;
  slot: string | null;
  state: string | null;
  revision: string | null;
  canceled: boolean | null;
}

async function rowsOf(tx: Tx, devices: readonly Named[]): Promise<DesiredRow[]> {
  const { rows } = await tx.query<DesiredRow>(
    `SELECT d.tenant_id, d.id AS device_id,
       d.hello_wanted_at IS NOT NULL AND (d.hello_at IS NULL OR d.hello_at < d.hello_wanted_at) AS hello,
       i.slot, i.state, i.revision, i.cancel IS NOT NULL AS canceled
     FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid)
     CROSS JOIN LATERAL (SELECT x.tenant_id, x.id, x.hello_wanted_at, x.hello_at FROM devices x
       WHERE x.tenant_id = k.tenant_id AND x.id = k.id LIMIT 1) AS d
     LEFT JOIN LATERAL (SELECT x.slot, x.state, x.revision, x.cancel FROM installations x
       WHERE x.tenant_id = d.tenant_id AND x.device_id = d.id AND x.executing LIMIT 1) AS i ON true`,
    [JSON.stringify(devices.map((one) => ({ tenant_id: one.tenantId, id: one.deviceId })))],
  );
  return rows;
}

function keyOf({ slot, state, revision, canceled, hello }: DesiredRow): string {
  return [slot, state, revision, canceled, hello].join('/');
}
