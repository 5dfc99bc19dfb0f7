import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments, UsageError } from './arguments.js';
import { describeCommit, describeMachine, watchLoad } from './machine.js';
import type { Context, PartName } from './part.js';
import { PARTS } from './parts.js';
import { profileInto } from './profile-children.js';
import { readProofs } from './proofs.js';
import { printReport } from './report.js';
import { readResults, writeResult } from './result.js';
import { rounded } from './statistics.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RESULTS = join(ROOT, 'bench', 'results');

const say = (text: string) => process.stdout.write(`${text}\n`);
let closing: (() => unknown)[] = [];

async function main(): Promise<void> {
  const { parts, scale, full, reportOnly, into, profile } = readArguments(process.argv.slice(2));
  const folder = into === undefined ? RESULTS : resolve(into);
  if (profile !== undefined) profileInto(resolve(profile));
  for (const name of reportOnly ? [] : parts) await measure(name, scale, full, folder);
  const page = printReport(readResults(folder), readProofs(folder));
  const path = into === undefined ? join(ROOT, 'docs', 'performance.md') : join(folder, 'performance.md');
  writeFileSync(path, page);
  say(`\nThe page is ${path}.`);
}

async function measure(name: PartName, scale: number, full: boolean, folder: string): Promise<void> {
  const part = PARTS[name];
  say(`${part.title} (${name}) …`);
  const context: Context = {
    scale,
    full,
    count: (atFullScale, least) => Math.max(least, Math.round(atFullScale * scale)),
    atEnd: (close) => void closing.push(close),
    say: (text) => say(`  ${text}`),
  };
  const began = Date.now();
  const load = watchLoad();
  try {
    const measured = await part.run(context);
    const seconds = Math.round((Date.now() - began) / 1_000);
    const origin = {
      date: new Date(began).toISOString(),
      commit: describeCommit(ROOT),
      scale,
      full,
      seconds,
      machine: describeMachine(),
      load: load(),
    };
    writeResult(folder, { name, title: part.title, ...origin, ...measured });
    for (const { name: figure, value, unit, beside } of measured.figures)
      say(`  ${figure}: ${rounded(value)} ${unit}${beside ? `, beside ${beside.name}: ${rounded(beside.value)}` : ''}`);
    for (const note of measured.notes ?? []) say(`  ! ${note}`);
  } finally {
    await closeAll();
  }
}

/** In reverse order; what fails to close must not keep the rest open. */
async function closeAll(): Promise<void> {
  const all = closing.reverse();
  closing = [];
  for (const close of all) {
    try {
      await close();
    } catch (error) {
      process.stderr.write(`could not be closed: ${(error as Error).message}\n`);
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void closeAll().then(() => process.exit(1)));
try {
  await main();
} catch (error) {
  const { stack, cause } = error as Error;
  process.stderr.write(
    `${error instanceof UsageError ? error.message : stack}${cause === undefined ? '' : `\nbecause of ${cause instanceof Error ? cause.message : 'something that is no error'}`}\n`,
  );
  process.exitCode = 1;
}
