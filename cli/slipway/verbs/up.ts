import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../exit.js';
import { verb } from '../verb.js';

/** The program of `npm start`, in the folder of a checkout that was built. */
const ALL_IN_ONE = 'dist/workers/up.js';

/** The all in one, where the server is. */
export function upVerbs(program: Command): void {
  verb(
    program,
    {
      usage: 'up',
      says: 'start the all in one, in the folder of the server',
      examples: ['slipway up'],
    },
    async () => {
      const path = join(process.cwd(), ALL_IN_ONE);
      if (!existsSync(path))
        throw new CliError(
          'failed',
          'The server is not in this folder; this package is the command line only.',
          'In a checkout of Slipway: npm ci && npm run build, then slipway up (or npm start).',
        );
      const child = spawn(process.execPath, ['--enable-source-maps', path], { stdio: 'inherit' });
      // It ends in its own order; this process stays until then.
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
      process.exitCode = await new Promise<number>((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', (code) => resolve(code ?? 1));
      });
    },
  );
}
