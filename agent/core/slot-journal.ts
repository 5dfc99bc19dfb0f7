import { open, readFile } from 'node:fs/promises';
import { codeOf, writeWhole } from './write-file.js';

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

/** On a line of its own, also where a crash cut the last one off. */
export async function appendLine(path: string, line: JournalLine, durable: boolean): Promise<void> {
  const file = await open(path, 'a+');
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(1), position: Math.max(0, size - 1) });
    const start = size === 0 || (bytesRead === 1 && buffer.toString() === '\n') ? '' : '\n';
    await writeWhole(file, Buffer.from(`${start}${JSON.stringify(line)}\n`), null);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
}

/** Oldest first. A line that a crash cut off, or that is none, is left out. */
export async function readLines(path: string): Promise<JournalLine[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  return text.split('\n').flatMap((line) => {
    const read = parseJson(line);
    return typeof read === 'object' && read !== null && 'kind' in read ? [read as JournalLine] : [];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
