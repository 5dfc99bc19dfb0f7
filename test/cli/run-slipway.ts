import { spawn } from 'node:child_process';

/** What a command did; `said` is standard output and standard error. */
export interface Ran {
  readonly code: number;
  readonly said: string;
}

/** Runs `slipway` of this build, with nothing but these variables. Ends it after two minutes. */
export function runSlipway(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  const child = spawn(process.execPath, ['dist/cli/slipway/main.js', ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 120_000,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      code === null ? reject(new Error(`it was ended by ${signal}: ${said}`)) : resolve({ code, said }),
    );
  });
}
