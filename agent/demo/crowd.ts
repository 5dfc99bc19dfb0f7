import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { FleetDevice } from '../simulator/fleet.js';
import type { ProfileName } from '../simulator/profiles.js';
import type { Operator } from './operator.js';
import type { RolloutResource, TargetResource } from './rollout-resource.js';

/** The 200 that a rollout is about, as the service knows them: registered, in the groups of a rollout that nobody has started yet. */
export interface Crowd {
  readonly rollout: RolloutResource;
  readonly sha256: string;
  readonly devices: readonly CrowdDevice[];
}

export interface CrowdDevice extends FleetDevice {
  readonly profile: ProfileName;
  readonly group: string;
}

const DEVICES = 200;
/** Small: what is shown is how the rollout goes from group to group, not the network. */
const FIRMWARE_BYTES = 256 * 1024;
/** Requests at once: the fifty that install meanwhile come first. */
const AT_ONCE = 4;
const TYPE = { name: 'Street lamp', manufacturer: 'Acme', model: 'SL-9', slots: { firmware: { name: 'Firmware' } } };

/** Ten, forty, and the rest; 40 at once, so that the whole takes some 25 s on two cores. */
const PLAN = {
  groups: [
    { name: 'canary', percent: 5, soak: 'PT2S', gate: { minSuccess: 0.9, minSample: 10 } },
    { name: 'early', percent: 20, gate: { minSuccess: 0.95, minSample: 30 } },
    { name: 'rest', gate: { minSuccess: 0.95, minSample: 150 } },
  ],
  pace: { maxInFlight: 40 },
  stopIf: [{ outcome: 'failed', share: 0.2, after: 5, then: 'pause' }],
  retry: { maxAttempts: 2, backoff: { first: 'PT2S' } },
  timeouts: { offer: 'PT30S', download: 'PT30S', install: 'PT30S', confirm: 'PT20S', target: 'PT5M' },
};

/** Who misbehaves, by group. The groups are drawn by lot, so that parts are given out once they are known: the demo is the same each time. */
const FAULTS: Readonly<Record<string, readonly (readonly [ProfileName, number])[]>> = {
  early: [['wrongHash', 2], ['resume', 2]],
  rest: [['wrongHash', 4], ['busy', 3], ['crashing', 3], ['flapping', 4], ['rollback', 3], ['rejecting', 1]],
};

/** Says nothing: the picture of the fifty may be on the screen. */
export async function gather(operator: Operator, dir: string, badFirmware: boolean): Promise<Crowd> {
  const typeId = await operator.deviceType(TYPE);
  const bytes = randomBytes(FIRMWARE_BYTES);
  const file = join(dir, 'lamp-2.0.0.bin');
  writeFileSync(file, bytes);
  const firmwareId = await operator.firmware('lamp', '2.0.0', file);
  await operator.associate(typeId, 'firmware', firmwareId);
  const limit = pLimit(AT_ONCE);
  const logins = await Promise.all(Array.from({ length: DEVICES }, (_, index) => limit(() => register(operator, `lamp-${String(index + 1).padStart(3, '0')}`, typeId))));
  const rollout = await operator.call<RolloutResource>('POST', '/v1/rollouts', {
    name: 'lamp 2.0.0', steps: [{ slot: 'firmware', firmwareId }], targets: { deviceIds: logins.map(({ id }) => id) }, ...PLAN,
  });
  const targets = await operator.all<TargetResource>(`/v1/rollouts/${rollout.id}/devices`);
  const parts = partsOf(targets, badFirmware);
  return { rollout, sha256: createHash('sha256').update(bytes).digest('hex'), devices: logins.map((login) => ({ tenant: 'default', ...login, ...parts.get(login.id)! })) };
}

async function register(operator: Operator, name: string, deviceTypeId: string): Promise<Pick<FleetDevice, 'id' | 'username' | 'password'>> {
  const id = await operator.device({ name, deviceTypeId, tags: ['demo', 'lamp'] });
  const { username, password } = await operator.password(id);
  return { id, username, password };
}

/** Bad firmware: every device that installs it boots back into the old one. */
export function partsOf(targets: readonly Pick<TargetResource, 'deviceId' | 'group'>[], badFirmware: boolean): Map<string, { group: string; profile: ProfileName }> {
  const taken = new Map<string, number>();
  return new Map(targets.map(({ deviceId, group }) => {
    const name = group ?? '';
    const index = taken.get(name) ?? 0;
    taken.set(name, index + 1);
    const faults = (FAULTS[name] ?? []).flatMap(([profile, count]) => Array<ProfileName>(count).fill(profile));
    return [deviceId, { group: name, profile: badFirmware ? 'rollback' : (faults[index] ?? 'good') }];
  }));
}
