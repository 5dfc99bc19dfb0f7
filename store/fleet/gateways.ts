import type { Tx } from '../db/pool.js';
import { deviceKey } from '../db/keys.js';

/** A chain of gateways is never longer: the API refuses circles, and a walk must end even if a row were wrong. */
const MAX_CHAIN = 16;

/**
 * Each row is looked up by its key, in a LATERAL with a LIMIT: left to choose, PostgreSQL walks whole tables as long as
 * it believes them to be small, which it does for minutes after a fleet was registered (measured: 43 ms for 100 of
 * 2,000 devices, and 1 ms so).
 */
const CHAIN = `
  WITH RECURSIVE chain(tenant_id, origin, node, depth) AS (
    SELECT k.tenant_id, d.id, d.id, 0 FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid)
    CROSS JOIN LATERAL (SELECT x.id FROM devices x WHERE x.tenant_id = k.tenant_id AND x.id = k.id LIMIT 1) AS d
    UNION ALL
    SELECT c.tenant_id, c.origin, d.connected_by, c.depth + 1 FROM chain c
    CROSS JOIN LATERAL (SELECT x.connected_by FROM devices x WHERE x.tenant_id = c.tenant_id AND x.id = c.node
      LIMIT 1) AS d
    WHERE d.connected_by IS NOT NULL AND c.depth < ${MAX_CHAIN})`;

/** The gateways of each device, nearest first, without itself. */
export async function ancestorsOf(tx: Tx, devices: readonly Named[]): Promise<Map<string, readonly string[]>> {
  if (devices.length === 0) return new Map();
  const { rows } = await tx.query<{ tenant_id: string; origin: string; nodes: string[] }>(
    `${CHAIN} SELECT tenant_id, origin, array_agg(node ORDER BY depth) AS nodes FROM chain WHERE depth > 0
      GROUP BY 1, 2`,
    [keys(devices)],
  );
  return new Map(rows.map((row) => [deviceKey(row.tenant_id, row.origin), row.nodes]));
}

/**
 * Whether a device has a credential of its own with which it is let in, by a broker or by the routes of devices. A
 * certificate counts where the installation issued it (docs/enrolment.md). EXISTS would be answered from a hash of all
 * credentials.
 */
export const hasCredential = (tenant: string, device: string) => `
  coalesce((SELECT true FROM device_credentials x WHERE x.tenant_id = ${tenant} AND x.device_id = ${device}
    AND x.revoked_at IS NULL LIMIT 1), false)`;

/** Of each origin, the nearest node of its chain that has a credential. */
const NODE = `
  , served AS (
    SELECT DISTINCT ON (c.tenant_id, c.origin) c.tenant_id, c.origin, c.node FROM chain c
    WHERE ${hasCredential('c.tenant_id', 'c.node')}
    ORDER BY c.tenant_id, c.origin, c.depth)`;

/**
 * The devices behind each of these that are reached over its connection: those without a credential of their own, down
 * to any depth. By the gateway's `deviceKey`; absent where there are none.
 */
export async function servedBy(
  tx: Tx,
  gateways: readonly Named[],
): Promise<Map<string, { tenantId: string; deviceId: string }[]>> {
  if (gateways.length === 0) return new Map();
  const { rows } = await tx.query<{ tenant_id: string; gateway: string; id: string }>(
    `WITH RECURSIVE behind(tenant_id, gateway, id, depth) AS (
       SELECT k.tenant_id, k.id, k.id, 0 FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid)
       UNION ALL
       SELECT b.tenant_id, b.gateway, d.id, b.depth + 1 FROM behind b
       JOIN devices d ON d.tenant_id = b.tenant_id AND d.connected_by = b.id
       WHERE b.depth < ${MAX_CHAIN} AND NOT ${hasCredential('d.tenant_id', 'd.id')})
     SELECT tenant_id, gateway, id FROM behind WHERE depth > 0`,
    [keys(gateways)],
  );
  const served = new Map<string, { tenantId: string; deviceId: string }[]>();
  for (const row of rows) {
    const key = deviceKey(row.tenant_id, row.gateway);
    served.set(key, [...(served.get(key) ?? []), { tenantId: row.tenant_id, deviceId: row.id }]);
  }
  return served;
}

/** How a device can be spoken to now. */
export interface Reach {
  /** null = neither the device nor a gateway in its chain has a credential. */
  node: string | null;
  /**
   * The node is connected, and where it is a gateway, it has not said that it cannot reach the device. A child never
   * connects itself.
   */
  online: boolean;
  /** Its tenant is not active; absent where it is. */
  suspended?: true;
}

/** Whether the tenant of a row is not active. */
const SUSPENDED = (tenant: string) => `(SELECT x.state <> 'active' FROM tenants x WHERE x.id = ${tenant})`;

/**
 * The node whose connection serves each device: the nearest in its chain, itself first, that has a credential. Absent
 * where none has.
 */
export async function nodesOf(tx: Tx, devices: readonly Named[]): Promise<Map<string, string>> {
  const reach = await reachOf(tx, devices);
  return new Map([...reach].flatMap(([key, { node }]) => (node === null ? [] : [[key, node]])));
}

/**
 * For each device that exists. Most have a credential: those are answered without a walk, whose plan alone takes
 * PostgreSQL a millisecond.
 */
export async function reachOf(tx: Tx, devices: readonly Named[]): Promise<Map<string, Reach>> {
  if (devices.length === 0) return new Map();
  const { rows } = await tx.query<{
    tenant_id: string;
    id: string;
    online: boolean;
    serves: boolean;
    suspended: boolean;
  }>(
    `SELECT d.tenant_id, d.id, d.online, ${hasCredential('d.tenant_id', 'd.id')} AS serves,
       ${SUSPENDED('d.tenant_id')} AS suspended
     FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid)
     CROSS JOIN LATERAL (SELECT x.tenant_id, x.id, x.online FROM devices x WHERE x.tenant_id = k.tenant_id
       AND x.id = k.id LIMIT 1) AS d`,
    [keys(devices)],
  );
  const [served, others] = [rows.filter((row) => row.serves), rows.filter((row) => !row.serves)];
  const through = await reachThroughGateways(
    tx,
    others.map((row) => ({ tenantId: row.tenant_id, deviceId: row.id })),
  );
  return new Map([
    ...served.map((row): [string, Reach] => [
      deviceKey(row.tenant_id, row.id),
      { node: row.id, online: row.online, ...(row.suspended && { suspended: true }) },
    ]),
    ...through,
  ]);
}

async function reachThroughGateways(tx: Tx, devices: readonly Named[]): Promise<Map<string, Reach>> {
  if (devices.length === 0) return new Map();
  const { rows } = await tx.query<{
    tenant_id: string;
    id: string;
    node: string | null;
    online: boolean;
    suspended: boolean;
  }>(
    `${CHAIN}${NODE}
     SELECT d.tenant_id, d.id, s.node, ${SUSPENDED('d.tenant_id')} AS suspended, coalesce(n.online AND (n.id = d.id OR d.reachable IS NOT FALSE), false) AS online
     FROM chain c
     CROSS JOIN LATERAL (SELECT x.tenant_id, x.id, x.reachable FROM devices x WHERE x.tenant_id = c.tenant_id
       AND x.id = c.origin LIMIT 1) AS d
     LEFT JOIN served s ON s.tenant_id = c.tenant_id AND s.origin = c.origin
     LEFT JOIN LATERAL (SELECT x.id, x.online FROM devices x WHERE x.tenant_id = s.tenant_id AND x.id = s.node
       LIMIT 1) AS n ON true
     WHERE c.depth = 0`,
    [keys(devices)],
  );
  return new Map(
    rows.map((row): [string, Reach] => [
      deviceKey(row.tenant_id, row.id),
      { node: row.node, online: row.online, ...(row.suspended && { suspended: true }) },
    ]),
  );
}

interface Named {
  readonly tenantId: string;
  readonly deviceId: string;
}

function keys(devices: readonly Named[]): string {
  const distinct = new Map(
    devices.map((one) => [deviceKey(one.tenantId, one.deviceId), { tenant_id: one.tenantId, id: one.deviceId }]),
  );
  return JSON.stringify([...distinct.values()]);
}
