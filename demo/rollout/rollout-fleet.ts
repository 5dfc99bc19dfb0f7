import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { FleetDevice } from '../../agent/simulator/fleet.js';
import type { ProfileName } from '../../agent/simulator/profiles.js';
import { defined } from '../../domain/defined.js';
import type { Version } from '../arguments.js';
import type { Operator } from '../service/operator.js';
import type { RolloutResource, TargetResource } from './resource.js';

/**
 * The 200 that a rollout is about, as the service knows them: registered, in the groups of a rollout that is not
 * started yet.
 */
export interface RolloutFleet {
  readonly rollout: RolloutResource;
  readonly sha256: string;
  /** Of what each of them came with, which the service knows as a firmware, too: a roll back brings it back. */
  readonly oldSha256: string;
  readonly devices: readonly RolloutFleetDevice[];
  /** The body with which the rollout was created. */
  readonly request: object;
  /** Lamps that are not in it: what they take for an earlier version is what a forecast goes by. */
  readonly pilots: readonly FleetDevice[];
  readonly pilotFirmwareId: string;
}

/** A simulated device, with the group of the rollout that it falls into. */
export interface RolloutFleetDevice extends FleetDevice {
  readonly name: string;
  readonly profile: ProfileName;
  readonly group: string;
}

const DEVICES = 200;
/** Two more than a forecast needs to know a kind of device by. */
const PILOTS = 12;
/** Small: what is shown is how the rollout goes from group to group, not the network. */
const FIRMWARE_BYTES = 256 * 1024;
/** Requests at once: the first 50 devices that install meanwhile come first. */
const AT_ONCE = 4;
/** As the simulator fills a slot that came from the factory. */
const FACTORY = Buffer.from('firmware 1.0.0, from the factory\n');
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

/** The whole canary is judged, so that what it installed is there to be taken back. */
const ROLLS_BACK = { stopIf: [{ outcome: 'failed', share: 0.2, after: 10, then: 'rollBack' }] };

/** On so many of the canary a version that boots on some devices does not boot. */
const BOOTS_NOT = 4;

/**
 * Who misbehaves, by group. The groups are drawn by lot, so that parts are given out once they are known: the demo is
 * the same each time.
 */
const FAULTS: Readonly<Record<string, readonly (readonly [ProfileName, number])[]>> = {
  early: [
    ['wrongHash', 2],
    ['resume', 2],
  ],
  rest: [
    ['wrongHash', 4],
    ['busy', 3],
    ['crashing', 3],
    ['flapping', 4],
    ['rollback', 3],
    ['rejecting', 1],
  ],
};

/** Says nothing: the picture of the first 50 devices may be on the screen. */
export async function gather(operator: Operator, dir: string, version: Version): Promise<RolloutFleet> {
  const typeId = await operator.deviceType(TYPE);
  const [old, firmware] = [
    await upload(operator, dir, typeId, '1.0.0', FACTORY),
    await upload(operator, dir, typeId, '2.0.0', randomBytes(FIRMWARE_BYTES)),
  ];
  const limit = pLimit(AT_ONCE);
  const logins = await Promise.all(
    Array.from({ length: DEVICES }, (_, index) =>
      limit(() => register(operator, `lamp-${String(index + 1).padStart(3, '0')}`, typeId, ['demo', 'lamp'])),
    ),
  );
  const request = {
    name: 'lamp 2.0.0',
    steps: [{ slot: 'firmware', firmwareId: firmware.id }],
    targets: { deviceIds: logins.map(({ id }) => id) },
    ...PLAN,
    ...(version === 'bootsOnSome' ? ROLLS_BACK : {}),
  };
  const rollout = await operator.call<RolloutResource>('POST', '/v1/rollouts', request);
  const targets = await operator.all<TargetResource>(`/v1/rollouts/${rollout.id}/devices`);
  const parts = partsOf(targets, version);
  const pilots = await Promise.all(
    Array.from({ length: PILOTS }, (_, index) =>
      limit(() => register(operator, `pilot-${String(index + 1).padStart(2, '0')}`, typeId, ['demo'])),
    ),
  );
  const { id: pilotFirmwareId } = await upload(operator, dir, typeId, '1.9.0', randomBytes(FIRMWARE_BYTES));
  return {
    rollout,
    request,
    sha256: firmware.sha256,
    oldSha256: old.sha256,
    pilots: pilots.map((login): FleetDevice => ({ tenant: 'default', ...login, profile: 'good' })),
    pilotFirmwareId,
    devices: logins.map((login) => ({
      tenant: 'default',
      ...login,
      ...defined(parts.get(login.id), 'each device of the rollout is a target'),
    })),
  };
}

async function upload(
  operator: Operator,
  dir: string,
  typeId: string,
  version: string,
  bytes: Buffer,
): Promise<{ id: string; sha256: string }> {
  const file = join(dir, `lamp-${version}.bin`);
  writeFileSync(file, bytes);
  const id = await operator.firmware('lamp', version, file);
  await operator.associate(typeId, 'firmware', id);
  return { id, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function register(
  operator: Operator,
  name: string,
  deviceTypeId: string,
  tags: string[],
): Promise<Pick<RolloutFleetDevice, 'name' | 'id' | 'username' | 'password'>> {
  const id = await operator.device({ name, deviceTypeId, tags });
  const { username, password } = await operator.password(id);
  return { name, id, username, password };
}

/** A device on which the version does not boot goes back into the old one by itself. */
export function partsOf(
  targets: readonly Pick<TargetResource, 'deviceId' | 'group'>[],
  version: Version,
): Map<string, { group: string; profile: ProfileName }> {
  const taken = new Map<string, number>();
  return new Map(
    targets.map(({ deviceId, group }) => {
      const name = group ?? '';
      const index = taken.get(name) ?? 0;
      taken.set(name, index + 1);
      const faults = (FAULTS[name] ?? []).flatMap(([profile, count]) => Array<ProfileName>(count).fill(profile));
      return [deviceId, { group: name, profile: profileOf(version, index, faults) }];
    }),
  );
}

function profileOf(version: Version, index: number, faults: readonly ProfileName[]): ProfileName {
  switch (version) {
    case 'good':
      return faults[index] ?? 'good';
    case 'bootsNowhere':
      return 'rollback';
    case 'bootsOnSome':
      return index < BOOTS_NOT ? 'rollback' : 'good';
  }
}
