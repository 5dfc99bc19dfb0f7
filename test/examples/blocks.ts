import { readFileSync } from 'node:fs';

/** Every command block of these is run by documents.test.ts, http-device.test.ts or test/e2e/swupdate.long.ts, or shown by the test that its row in rows.ts names. */
export const DOCUMENTS = [
  'README.md',
  'docs/curl.md',
  'docs/rollouts.md',
  'docs/device-guide.md',
  'docs/operations.md',
  'docs/backup.md',
  'docs/mosquitto.md',
  'docs/connect/http.md',
  'docs/connect/swupdate.md',
] as const;
export type DocumentName = (typeof DOCUMENTS)[number];

/** What a reader pastes into a terminal. */
const COMMANDS: ReadonlySet<string> = new Set(['sh', 'bash', 'shell', 'console', 'sql']);
/** What a reader does not run. */
const OTHERS: ReadonlySet<string> = new Set(['json', 'js', 'mermaid', 'text']);

/** A fenced block. */
export interface Block {
  readonly document: string;
  /** How rows.ts calls it: its heading, and which of the command blocks below that heading it is, from 1 on. */
  readonly name: string;
  /** Of its first line, from 1 on. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

/**
 * The command blocks of a document, in their order.
 * @throws where a fence names no language, or one of which it is not known whether it is run: so that no block is left
 * out in silence.
 */
export function commandBlocks(document: string, text = readFileSync(document, 'utf8')): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  let [heading, below] = ['', 0];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (/^#+ /.test(line)) [heading, below] = [line.replace(/^#+ /, ''), 0];
    const fence = /^\s*(`{3,}|~{3,})(.*)$/.exec(line);
    if (!fence) continue;
    const [, marks = '', info = ''] = fence;
    const end = lines.findIndex((other, index) => index > at && other.trim() === marks);
    if (end === -1) throw new Error(`${document}:${at + 1}: this block has no end`);
    // What stands behind it is for other tests: which message a JSON block shows.
    const [language = ''] = info.trim().split(' ');
    if (COMMANDS.has(language)) {
      below += 1;
      const name = `${heading} (${below})`;
      blocks.push({ document, name, line: at + 2, language, text: lines.slice(at + 1, end).join('\n') });
    } else if (!OTHERS.has(language))
      throw new Error(`${document}:${at + 1}: "${language}" is none of ${[...COMMANDS, ...OTHERS].join(', ')}`);
    at = end;
  }
  return blocks;
}
