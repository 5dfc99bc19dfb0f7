import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetDevice } from '../../agent/simulator/fleet.js';
import { DEVICE_MIX, type MixedDevice, type SlotName } from './device-mix.js';
import type { Operator } from './operator.js';

/** One of the first 50 devices, as the service knows it. */
export interface Member {
  readonly name: string;
  readonly slot: SlotName;
  readonly deviceId: string;
  readonly isChild: boolean;
}

/** What was made in the service for the demo. `sha256` is lower-case hex. */
export interface DemoSetup {
  readonly members: readonly Member[];
  readonly devices: readonly FleetDevice[];
  readonly firmwares: Readonly<Record<SlotName, { readonly id: string; readonly sha256: string }>>;
}

const MIB = 1024 * 1024;
const FILES: readonly (readonly [SlotName, number])[] = [
  ['firmware', 20 * MIB],
  ['bootloader', 256 * 1024],
  ['configuration', 4 * 1024],
];
const VERSIONS = { firmware: '1.0.0', bootloader: '1.0.0', configuration: '1.0.0' };

/**
 * Uploads a file per slot, registers the sample type as it stands and with its slots widened, and the devices: a
 * password for each that connects.
 */
export async function setUp(operator: Operator, dir: string, say: (text: string) => void): Promise<DemoSetup> {
  const sample = JSON.parse(readFileSync(new URL('./extended-osr-light-switch.json', import.meta.url), 'utf8')) as {
    slots: object;
  };
  await operator.deviceType(sample);
  const typeId = await operator.deviceType({
    ...sample,
    slots: { ...sample.slots, bootloader: { name: 'Bootloader' }, configuration: { name: 'Configuration' } },
  });
  const firmwares: Record<string, { id: string; sha256: string }> = {};
  for (const [slot, size] of FILES) {
    const bytes = randomBytes(size);
    const file = join(dir, `${slot}-2.0.0.bin`);
    writeFileSync(file, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const id = await operator.firmware(`switch ${slot}`, '2.0.0', file);
    await operator.associate(typeId, slot, id);
    firmwares[slot] = { id, sha256 };
    say(
      `Uploaded ${slot} 2.0.0, ${size >= MIB ? `${size / MIB} MiB` : `${size / 1024} KiB`}, sha256 ${sha256.slice(0, 16)}…`,
    );
  }
  const registered = await Promise.all(DEVICE_MIX.map((player) => register(operator, player, typeId)));
  const members = registered.flatMap((one) => one.members);
  const devices = registered.map((one) => one.device);
  const gateways = DEVICE_MIX.filter(({ children }) => children.length > 0).length;
  say(
    `Registered "Extended OSR Light switch" and ${members.length} devices: ${devices.length} with a password, ${gateways} of them gateways of ${members.length - devices.length} others.\n`,
  );
  return { members, devices, firmwares: firmwares as DemoSetup['firmwares'] };
}

/** A device with its password; of a gateway, its children, too. */
async function register(
  operator: Operator,
  { name, profile, slot, children }: MixedDevice,
  deviceTypeId: string,
): Promise<{ members: Member[]; device: FleetDevice }> {
  const deviceId = await operator.device({ name, deviceTypeId, tags: ['demo'] });
  const { username, password } = await operator.password(deviceId);
  const behind = await Promise.all(
    children.map(async (child): Promise<Member> => {
      const id = await operator.device({ name: child, deviceTypeId, tags: ['demo'], connectedBy: deviceId });
      return { name: child, slot: 'firmware', deviceId: id, isChild: true };
    }),
  );
  return {
    members: [{ name, slot, deviceId, isChild: false }, ...behind],
    device: {
      tenant: 'default',
      id: deviceId,
      username,
      password,
      profile,
      slots: VERSIONS,
      children: behind.map(({ deviceId: id }) => ({ id, slots: VERSIONS })),
    },
  };
}
