import { listDevices } from '../../store/commands/devices.js';
import { listRollouts, listTargets } from '../../store/commands/rollouts.js';
import { listRolloutsOfDevice } from '../../store/commands/usage.js';
import { printCursor } from '../../store/db/cursors.js';
import type { Pool, Tx } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { listSealed } from '../../store/history/live-events.js';
import { readTimeline } from '../../store/installations/timeline.js';
import { listInstallations, listOfDevice } from '../../store/installations/views.js';
import { percentile } from '../statistics.js';
import { now } from '../wait.js';
import type { Month } from './months.js';

const TENANT = 'default';
const PAGE = { page: 0, pageSize: 20 };
const SAMPLES = 40;
/** The first ones warm the caches, and make the statements that are prepared. */
const WARM_UP = 5;
const DAY = 86_400_000;

interface Asked {
  readonly deviceId: string;
  readonly rolloutId: string;
  /** Nine tenths down the list of installations. */
  readonly cursor: string;
  /** The last day of the month, RFC 3339. */
  readonly since: string;
}

/** Lists that go over what only ever grew. */
const LISTS: Readonly<Record<string, (tx: Tx, asked: Asked) => Promise<unknown>>> = {
  devices: (tx) => listDevices(tx, TENANT, {}, PAGE),
  'devices by a filter': (tx) =>
    listDevices(tx, TENANT, { filter: 'slot.firmware.version=ge=5.0.0;tag==floor-3' }, PAGE),
  installations: (tx) => listInstallations(tx, TENANT, {}, PAGE),
  'installations, nine tenths down': (tx, { cursor }) => listInstallations(tx, TENANT, {}, { ...PAGE, cursor }),
  'installations, failed': (tx) => listInstallations(tx, TENANT, { state: ['failed'] }, PAGE),
  'installations of a rollout': (tx, { rolloutId }) => listInstallations(tx, TENANT, { rolloutId: [rolloutId] }, PAGE),
  'installations of a device': (tx, { deviceId }) => listOfDevice(tx, TENANT, deviceId, { latestOnly: false }, PAGE),
  rollouts: (tx) => listRollouts(tx, TENANT, {}, PAGE),
  'rollouts of a device': (tx, { deviceId }) => listRolloutsOfDevice(tx, TENANT, deviceId, PAGE),
  'devices of a rollout, failed': (tx, { rolloutId }) =>
    listTargets(tx, TENANT, rolloutId, { state: ['failed'] }, { pageSize: 20 }),
  'timeline of a device': (tx, { deviceId }) => readTimeline(tx, TENANT, deviceId, { pageSize: 20 }),
  'events, newest first': (tx) => listSealed(tx, TENANT, {}, { pageSize: 20, newestFirst: true }),
  'events since yesterday': (tx, { since }) => listSealed(tx, TENANT, { since }, { pageSize: 20 }),
  'events, one kind of them, newest first': (tx) =>
    listSealed(tx, TENANT, { event: ['failed'] }, { pageSize: 20, newestFirst: true }),
  'events of a device': (tx, { deviceId }) => listSealed(tx, TENANT, { deviceId: [deviceId] }, { pageSize: 20 }),
};

/** The median of each list, milliseconds, as the API's transaction makes it. */
export async function timeLists(pool: Pool, { at, rolloutId }: Month): Promise<ReadonlyMap<string, number>> {
  const asked = await asTenant(pool, TENANT, async (tx): Promise<Asked> => {
    const { rows } = await tx.query<{ at: string; id: string; device: string }>(
      `SELECT to_char(requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, id, device_id AS device
       FROM installations WHERE tenant_id = $1 ORDER BY requested_at DESC, id DESC
       OFFSET (SELECT count(*) * 9 / 10 FROM installations WHERE tenant_id = $1) LIMIT 1`,
      [TENANT],
    );
    const [deep] = rows;
    if (!deep) throw new Error('there are no installations');
    const since = new Date(at + 19 * DAY).toISOString();
    return { deviceId: deep.device, rolloutId, cursor: printCursor(deep), since };
  });
  const medians = new Map<string, number>();
  for (const [name, read] of Object.entries(LISTS)) {
    const times: number[] = [];
    for (let done = 0; done < WARM_UP + SAMPLES; done += 1) {
      const began = now();
      await asTenant(pool, TENANT, (tx) => read(tx, asked));
      times.push(now() - began);
    }
    medians.set(name, percentile(times.slice(WARM_UP), 0.5));
  }
  return medians;
}
