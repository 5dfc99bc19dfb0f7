import { appendFile, readFile } from 'node:fs/promises';
import { codeOf } from './write-file.js';

/**
 * One line per change of a slot's content, made right after the swap: what was really installed here, and how often.
 */
export interface JournalLine {
  readonly at: number;
  readonly kind: 'install' | 'rollback';
  readonly slot: string;
  readonly installationId: string | null;
  readonly attempt: number | null;
  readonly version: string | null;
  readonly sha256: string | null;
}

export async function appendLine(path: string, line: JournalLine): Promise<void> {
  await appendFile(path, `${JSON.stringify(line)}\n`);
}

/** Oldest first. A last line that was cut off by a crash is left out. */
export async function readLines(path: string): Promise<JournalLine[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JournalLine);
}
