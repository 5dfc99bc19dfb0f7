/**
 * What becomes of the version that is rolled out: it is good, it boots on no device, or it boots on some of them, and
 * the rollout goes back.
 */
export type Version = 'good' | 'bootsNowhere' | 'bootsOnSome';

/** What a person asked for on the command line. The same `seed` gives the same misbehaviour. */
export interface Arguments {
  readonly keep: boolean;
  readonly seed: number;
  /** Whether the first 50 devices install one by one. */
  readonly withInstallations: boolean;
  readonly version: Version;
  /** So many devices in sites, to look at in the dashboard, in place of the stories; absent = the stories. */
  readonly fleet?: number;
}

/** Below, there are no four sites with lamps; above, one process would no longer play all gateways. */
const FLEET = { least: 400, most: 20_000 };

const USAGE = `npm run demo [-- --rollout-only] [-- --bad-firmware [--roll-back]] [-- --fleet N] [-- --keep] [-- --seed N]
  --rollout-only  without the 50 devices that install one by one: only the rollout to 200
  --bad-firmware  the same, with a version that boots on no device: the canary stops it
  --roll-back     with --bad-firmware: a version that boots on some devices only, and a rule that takes it back from those that installed it
  --fleet N       a fleet of N devices (${FLEET.least} to ${FLEET.most}) with rollouts in every mood, to look at in the dashboard; stays up
  --keep          stay up when all is over, until Ctrl-C
  --seed N        the same seed, the same misbehaviour (default 1)`;

/** @throws with how it is used */
export function readArguments(given: readonly string[]): Arguments {
  const rest = [...given];
  let read: Arguments = { keep: false, seed: 1, withInstallations: true, version: 'good' };
  let [badFirmware, rollBack] = [false, false];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '--keep') read = { ...read, keep: true };
    else if (name === '--rollout-only') read = { ...read, withInstallations: false };
    else if (name === '--bad-firmware') badFirmware = true;
    else if (name === '--roll-back') rollBack = true;
    else if (name === '--fleet') read = { ...read, fleet: Number(rest.shift()), keep: true };
    else if (name === '--seed') read = { ...read, seed: Number(rest.shift()) };
    else throw new Error(`"${name}" is not known.\n${USAGE}`);
  }
  if (!Number.isSafeInteger(read.seed)) throw new Error(`--seed takes a whole number.\n${USAGE}`);
  const { fleet } = read;
  if (fleet !== undefined && !(Number.isSafeInteger(fleet) && fleet >= FLEET.least && fleet <= FLEET.most))
    throw new Error(`--fleet takes a whole number from ${FLEET.least} to ${FLEET.most}.\n${USAGE}`);
  if (fleet !== undefined && (badFirmware || !read.withInstallations))
    throw new Error(`--fleet goes with --keep and --seed only.\n${USAGE}`);
  if (rollBack && !badFirmware) throw new Error(`--roll-back goes with --bad-firmware.\n${USAGE}`);
  return badFirmware ? { ...read, withInstallations: false, version: rollBack ? 'bootsOnSome' : 'bootsNowhere' } : read;
}
