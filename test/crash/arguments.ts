export interface CrashArguments {
  kills: number;
  devices: number;
  seed: number;
  /** Also takes PostgreSQL, Temporal and the broker away for 60 s each. */
  outages: boolean;
  /** With a second API, orchestrator and bridge beside those of the all in one. */
  pairs: boolean;
}

export const USAGE = `npm run test:crash [-- --kills N] [--devices N] [--seed N] [--outages] [--pairs]
  --kills N    how many processes are killed in all (default 10)
  --devices N  how many simulated devices (default 200)
  --seed N     what is killed when, and how devices and the network misbehave (default: another one each time, printed)
  --outages    PostgreSQL, Temporal and the broker each away for 60 s in turn
  --pairs      a second API, orchestrator and bridge beside those of the all in one, which are killed, too; requests go to both APIs in turn`;

/** @throws with the usage where an argument is not known. */
export function readArguments(given: readonly string[]): CrashArguments {
  const result: CrashArguments = {
    kills: 10,
    devices: 200,
    seed: Date.now() % 1_000_000,
    outages: false,
    pairs: false,
  };
  const rest = [...given];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '--outages' || name === '--pairs') {
      result[name === '--pairs' ? 'pairs' : 'outages'] = true;
      continue;
    }
    const key = ({ '--kills': 'kills', '--devices': 'devices', '--seed': 'seed' } as const)[name as '--kills'];
    const value = Number(rest.shift());
    if (key === undefined || !Number.isSafeInteger(value) || value < 0)
      throw new Error(`"${name}" is not understood.\n${USAGE}`);
    result[key] = value;
  }
  return result;
}
