import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../../agent/simulator/fleet.js';
import { defined } from '../../domain/defined.js';
import type { RolloutFleet } from './rollout-fleet.js';
import type { InstallationResource, Operator } from '../service/operator.js';
import { RolloutPicture } from './picture.js';
import { isAtRest, openOf, type RolloutResource, type TargetResource } from './resource.js';
import type { Checked } from './verdict.js';

/** A terminal is redrawn; elsewhere each change is a line, and they shall be fewer. */
const LOOK_MS = process.stdout.isTTY ? 300 : 1_000;
/** Long past what it takes on a busy machine. */
const DEADLINE_MS = 180_000;
/** Its process looks within a second of any news: what would begin after a pause has begun then. */
const QUIET_MS = 2_000;
const ONLINE_MS = 60_000;

/** Waits until the service has heard of every device: a rollout takes only those that are there. */
export async function untilOnline(operator: Operator, { devices }: RolloutFleet): Promise<void> {
  for (const end = Date.now() + ONLINE_MS; ; await sleep(200)) {
    const known = await operator.all<{ online: boolean }>('/v1/devices?tag=lamp');
    const online = known.filter((device) => device.online).length;
    if (online === devices.length) return;
    if (Date.now() > end)
      throw new Error(`only ${online} of ${devices.length} devices came online within ${ONLINE_MS / 1_000} s`);
  }
}

/**
 * Starts it and shows it, until nothing more happens by itself. @returns it, and how many were in flight at most, as
 * far as was seen.
 */
export async function runRollout(
  operator: Operator,
  { rollout: { id } }: RolloutFleet,
  stop: AbortSignal,
): Promise<{ rollout: RolloutResource; mostInFlight: number }> {
  await operator.call('POST', `/v1/rollouts/${id}/start`);
  const picture = new RolloutPicture(process.stdout, Date.now());
  let mostInFlight = 0;
  for (const end = Date.now() + DEADLINE_MS; ; await sleep(LOOK_MS)) {
    const rollout = await operator.call<RolloutResource>('GET', `/v1/rollouts/${id}`);
    picture.draw(rollout);
    mostInFlight = Math.max(mostInFlight, openOf(rollout));
    if (isAtRest(rollout) || Date.now() > end) break;
    if (stop.aborted) throw new Error('stopped before all was over');
  }
  await sleep(QUIET_MS);
  return { rollout: await operator.call<RolloutResource>('GET', `/v1/rollouts/${id}`), mostInFlight };
}

/** Holds each device's disk against what the service says: neither is believed alone. */
export async function check(
  operator: Operator,
  fleet: Fleet,
  { rollout: { id }, sha256, oldSha256, devices }: RolloutFleet,
): Promise<Checked[]> {
  const targets = new Map(
    (await operator.all<TargetResource>(`/v1/rollouts/${id}/devices`)).map((target) => [target.deviceId, target]),
  );
  const installations = await operator.all<InstallationResource>(`/v1/firmware-installations?rolloutId=${id}`);
  return Promise.all(
    devices.map(async (device): Promise<Checked> => {
      const simulated = fleet.device(device.id);
      const journal = await simulated.journal();
      return {
        device,
        target: defined(targets.get(device.id), 'each device of the rollout is a target'),
        isNew: await simulated.holds('firmware', sha256),
        isOld: await simulated.holds('firmware', oldSha256),
        wasTouched: journal.some((line) => line.sha256 === sha256),
        installations: installations.filter((one) => one.deviceId === device.id).length,
      };
    }),
  );
}
