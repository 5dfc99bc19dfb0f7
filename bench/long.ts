import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeCommit } from './machine.js';
import { LONG_RUNS, type LongRun } from './proofs.js';

/**
 * `npm run test:long`: what is too slow for every change. The longer runs of the crash suite, the agent in the field,
 * the outside services and the fuzzer, each with its date and commit into a file of bench/results/, and at last the
 * whole bench, which makes docs/performance.md of all of it. Some two hours on two cores, which must have nothing else
 * to do. With names (`-- crash fuzz`), those alone.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RESULTS = join(ROOT, 'bench', 'results');
const BENCH = 'bench';

const say = (text: string) => process.stdout.write(`${text}\n`);

/** What it prints is kept beside until its end: a run that broke off replaces no result. @returns whether it passed. */
async function keep({ file, command }: LongRun): Promise<boolean> {
  mkdirSync(RESULTS, { recursive: true });
  const making = join(RESULTS, `${file}.${process.pid}`);
  const into = createWriteStream(making);
  into.write(`$ ${command}\n# ${new Date().toISOString().slice(0, 10)}, commit ${describeCommit(ROOT)}\n`);
  const code = await run(command, (text) => {
    process.stdout.write(text);
    into.write(text);
  });
  await new Promise<void>((resolve) => into.end(resolve));
  if (code === 0) renameSync(making, join(RESULTS, file));
  else rmSync(making);
  return code === 0;
}

async function run(command: string, heard?: (text: Buffer) => void): Promise<number | null> {
  const [program, ...args] = command.split(' ');
  // npm repeats the command that it runs; that is no part of the result.
  const silent = [args[0]!, '--silent', ...args.slice(1)];
  const child = spawn(program!, silent, { cwd: ROOT, stdio: ['ignore', heard ? 'pipe' : 'inherit', 'inherit'] });
  child.stdout?.on('data', (chunk: Buffer) => heard?.(chunk));
  return new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
}

const names = [...LONG_RUNS.map((one) => one.name), BENCH];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`${unknown.join(', ')}: known are ${names.join(', ')}\n`);
  process.exit(1);
}
const failed: string[] = [];
for (const one of LONG_RUNS.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  say(`== ${one.command}`);
  if (!(await keep(one))) failed.push(one.name);
}
const bench = asked.length === 0 || asked.includes(BENCH) ? 'npm run bench -- --full' : 'npm run bench -- --report';
say(`== ${bench}`);
if ((await run(bench)) !== 0) failed.push(BENCH);
say(
  failed.length === 0
    ? 'Everything passed; commit bench/results/ and docs/performance.md.'
    : `Failed: ${failed.join(', ')}. Their earlier results are kept.`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
