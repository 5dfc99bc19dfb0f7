import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LongRun {
  readonly name: string;
  /** In bench/results/: what the run printed. */
  readonly file: string;
  readonly command: string;
}

/** The longer runs beside the bench, in the order of the page. `npm run test:long` runs them. */
export const LONG_RUNS: readonly LongRun[] = [
  { name: 'crash', file: 'crash.txt', command: 'npm run test:crash -- --kills 200 --seed 20261130' },
  { name: 'pairs', file: 'pairs.txt', command: 'npm run test:crash -- --pairs --kills 40 --seed 20261201' },
  { name: 'outages', file: 'outages.txt', command: 'npm run test:crash -- --outages --kills 10 --seed 20261130' },
  { name: 'agent', file: 'agent.txt', command: 'npm run test:agent -- --rounds 300 --seed 17' },
  { name: 'outside', file: 'outside.txt', command: 'npm run test:outside' },
  {
    name: 'outside-400',
    file: 'outside-400.txt',
    command: 'npm run test:outside -- --devices 400 --kills 5 --seed 8',
  },
  { name: 'fuzz', file: 'fuzz.txt', command: 'npm run test:fuzz' },
  { name: 'dashboard', file: 'dashboard.txt', command: 'npm run test:dashboard' },
];

/** What a run of the crash suite, of the agent in the field or of the outside services printed, as it was kept. */
export interface Proof {
  readonly file: string;
  /** The line that runs it again. */
  readonly command: string;
  /** Date and commit. */
  readonly origin: string;
  /** The last line that it printed. */
  readonly outcome: string;
}

/**
 * A file begins with `$ command` and `# date, commit`; what follows is the output as it came. What was never run is
 * left out.
 */
export function readProofs(folder: string): Proof[] {
  return LONG_RUNS.filter(({ file }) => existsSync(join(folder, file))).map(({ file }) => {
    const lines = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');
    const [command = '', origin = ''] = lines;
    if (!command.startsWith('$ ') || !origin.startsWith('# '))
      throw new Error(`${join(folder, file)} begins with a line "$ command" and a line "# date, commit"`);
    return { file, command: command.slice(2), origin: origin.slice(2), outcome: lines.at(-1)!.trim() };
  });
}
