import { CommanderError } from 'commander';
import { COMPLETE } from './completion/scripts.js';
import { EXIT, explain } from './exit.js';
import { createProgram } from './program.js';
import { isColourful, styled } from './text.js';

/** Runs one command line and sets the exit code. Errors are a sentence and the next step, on standard error. */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    // What the scripts of `slipway completion` ask; no verb for people.
    if (argv[2] === COMPLETE) {
      const { complete } = await import('./completion/complete.js');
      return await complete(argv.slice(3));
    }
    await createProgram().parseAsync([...argv]);
  } catch (error) {
    process.exitCode = failed(error);
  }
}

function failed(error: unknown): number {
  // Commander has printed it: help that was asked for is 0, everything else is a fault of the arguments.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') return EXIT.done;
  const { exit, message, faults, next } = explain(error);
  const isOn = isColourful(process.stderr, process.env);
  process.stderr.write(`${styled('red', 'slipway:', isOn)} ${message}\n`);
  for (const fault of faults) process.stderr.write(`  ${fault}\n`);
  if (next !== '') process.stderr.write(`${styled('dim', next, isOn)}\n`);
  if (process.env['SLIPWAY_LOG_LEVEL'] === 'debug') process.stderr.write(`${(error as Error).stack}\n`);
  return EXIT[exit];
}
