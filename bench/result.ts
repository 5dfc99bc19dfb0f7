import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Load, Machine } from './machine.js';
import { PART_NAMES, type Measured, type PartName } from './part.js';

/** One part, measured: a file of bench/results/. */
export interface Result extends Measured {
  readonly name: PartName;
  readonly title: string;
  readonly date: string;
  readonly commit: string;
  readonly scale: number;
  readonly full: boolean;
  readonly seconds: number;
  readonly machine: Machine;
  readonly load: Load;
}

export function writeResult(folder: string, result: Result): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${result.name}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
}

/** In the order of the page; what was never measured is left out. */
export function readResults(folder: string): Result[] {
  return PART_NAMES.map((name) => join(folder, `${name}.json`))
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, 'utf8')) as Result);
}
