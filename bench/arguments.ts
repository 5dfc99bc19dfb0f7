import { PART_NAMES, type PartName } from './part.js';

/** What was asked for cannot be understood: the message says what to write instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Arguments {
  /** In the order of the page, whatever the order in which they were named. */
  readonly parts: readonly PartName[];
  readonly scale: number;
  readonly full: boolean;
  readonly reportOnly: boolean;
  /** A folder for results and page; undefined = the repository's own. */
  readonly into: string | undefined;
  /** A folder for CPU profiles of every process. */
  readonly profile: string | undefined;
}

/** @throws UsageError */
export function readArguments(given: readonly string[]): Arguments {
  const usage = `npm run bench -- [--only name[,name]] [--scale 0.1] [--full] [--report] [--into folder] [--profile folder]
  --only     some parts: ${PART_NAMES.join(', ')}
  --scale    fewer devices and shorter, for trying (default 1); with --into, or it replaces the results
  --full     also what takes many minutes: 20,000 open installations, a rollout to 10,000 devices, a million targets planned and snapshotted
  --report   measures nothing: writes docs/performance.md from the newest results
  --into     results and page go into this folder
  --profile  a CPU profile of each process goes into this folder (and everything is slower)`;
  const rest = [...given];
  const value = (name: string): string => {
    const next = rest.shift();
    if (next === undefined || next.startsWith('--')) throw new UsageError(`${name} needs a value.\n${usage}`);
    return next;
  };
  const some = (names: readonly string[]): readonly PartName[] => {
    const unknown = names.find((name) => !(PART_NAMES as readonly string[]).includes(name));
    if (unknown !== undefined) throw new UsageError(`there is no part "${unknown}".\n${usage}`);
    return PART_NAMES.filter((name) => names.includes(name));
  };
  let read: Arguments = {
    parts: PART_NAMES,
    scale: 1,
    full: false,
    reportOnly: false,
    into: undefined,
    profile: undefined,
  };
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '--only') read = { ...read, parts: some(value(name).split(',')) };
    else if (name === '--scale') read = { ...read, scale: Number(value(name)) };
    else if (name === '--full') read = { ...read, full: true };
    else if (name === '--report') read = { ...read, reportOnly: true };
    else if (name === '--into') read = { ...read, into: value(name) };
    else if (name === '--profile') read = { ...read, profile: value(name) };
    else throw new UsageError(`"${name}" is not known.\n${usage}`);
  }
  if (!(read.scale > 0 && read.scale <= 1)) throw new UsageError(`--scale is over 0 and at most 1.\n${usage}`);
  return read;
}
