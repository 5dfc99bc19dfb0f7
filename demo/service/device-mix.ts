import type { ProfileName } from '../../agent/simulator/profiles.js';

/** The slots of the device type of the demo. */
export type SlotName = 'firmware' | 'bootloader' | 'configuration';

/** Who plays: a name, what goes wrong with it, and the slot that is installed. */
export interface MixedDevice {
  readonly name: string;
  readonly profile: ProfileName;
  readonly slot: SlotName;
  /** Of a gateway: the names of the devices that it acts for. They have no credential. */
  readonly children: readonly string[];
}

/** Twenty-five devices with a connection of their own and no children: each fault at least once. */
const FAULTS: readonly (readonly [ProfileName, number])[] = [
  ['good', 5],
  ['resume', 3],
  ['wrongHash', 2],
  ['rollback', 2],
  ['silent', 1],
  ['slow', 2],
  ['flapping', 2],
  ['duplicating', 1],
  ['busy', 2],
  ['rejecting', 1],
  ['crashing', 2],
  ['deferring', 1],
  ['offline', 1],
];
/** Five gateways with four children each. */
const GATEWAYS: readonly ProfileName[] = [
  'gateway',
  'gateway',
  'gateway',
  'gatewayWithUnreachableChild',
  'gatewayWithUnreachableChild',
];
const CHILDREN = ['a', 'b', 'c', 'd'];

/** Each fault once or more; gateways come last, with their children. */
export const DEVICE_MIX: readonly MixedDevice[] = [
  ...FAULTS.flatMap(([profile, count]) => Array<ProfileName>(count).fill(profile)).map(
    (profile, index): MixedDevice => ({
      name: `switch-${String(index + 1).padStart(2, '0')}`,
      profile,
      slot: index === 1 ? 'bootloader' : index === 2 ? 'configuration' : 'firmware',
      children: [],
    }),
  ),
  ...GATEWAYS.map((profile, index): MixedDevice => ({
    name: `gateway-${index + 1}`,
    profile,
    slot: 'firmware',
    children: CHILDREN.map((child) => `child-${index + 1}${child}`),
  })),
];
