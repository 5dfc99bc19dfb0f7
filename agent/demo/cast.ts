import type { ProfileName } from '../simulator/profiles.js';

/** Who plays: a name, what goes wrong with it, and the slot that is installed. Twenty devices, each fault at least once. */
export interface Player {
  readonly name: string;
  readonly profile: ProfileName;
  readonly slot: 'firmware' | 'bootloader' | 'configuration';
}

const FAULTS: readonly (readonly [ProfileName, number])[] = [
  ['good', 5], ['resume', 3], ['wrongHash', 2], ['rollback', 1], ['silent', 1], ['slow', 1], ['flapping', 2], ['duplicating', 1], ['busy', 1],
  ['rejecting', 1], ['crashing', 1], ['deferring', 1],
];

export const CAST: readonly Player[] = FAULTS.flatMap(([profile, count]) => Array<ProfileName>(count).fill(profile)).map((profile, index) => ({
  name: `switch-${String(index + 1).padStart(2, '0')}`,
  profile,
  slot: index === 1 ? 'bootloader' : index === 2 ? 'configuration' : 'firmware',
}));
