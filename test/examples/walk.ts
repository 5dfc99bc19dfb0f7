import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Block } from './blocks.js';
import type { Row } from './rows.js';

/** What a document shows below a command: `# → …`, and lines that go on with it. `…` stands for anything. */
const SHOWN = /^# → (.*(?:\n# {3}.*)*)$/gm;
/** What a block left running ends with the shell, whose status stays. */
const ENDING = `trap 'code=$?; kill $(jobs -p) 2>&- || true; wait; exit $code' EXIT`;
const MARK = '\u001E';
/** A command of one line whose output is shown, and before which the reader waits a moment. */
const AFTER_A_MOMENT = /^sleep \d+; (.*)\n(# → .*(?:\n# {3}.*)*)$/gm;
/** A busy machine takes longer than a reader's second: such a command is repeated, for as long as this. */
const MOMENT_SECONDS = 120;

/** What a walk left behind: how it ended, and where what it printed was not what the document shows. */
export interface Walked {
  readonly code: number | null;
  readonly differences: readonly { readonly shown: string; readonly printed: string }[];
  /** The end of what it printed on standard error; nothing where it ended well. */
  readonly errors: string;
}

/** Fills a folder with links, so that it looks like a checkout. What is written beside them stays in it. */
export function makeCheckout(folder: string): void {
  const hidden = (name: string) => name.startsWith('.');
  for (const name of readdirSync('.').filter((one) => !hidden(one))) symlinkSync(resolve(name), join(folder, name));
}

/**
 * Runs the command blocks of a document in one shell, as a reader does who stops at the first error.
 * @throws where a row replaces what its block does not hold, or a block could not be pasted into a terminal.
 */
export async function walk(
  blocks: readonly { block: Block; row: Row }[],
  { folder, env, ms }: { folder: string; env: Readonly<Record<string, string>>; ms: number },
): Promise<Walked> {
  const shown: string[] = [];
  const script = blocks.map(({ block, row }) => scriptOf(block, row, shown)).join('\n');
  const shell = spawn('bash', ['-c', `set -euo pipefail; ${ENDING}\n${script}`], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own: whatever it has started ends with it
  });
  let [printed, errors] = ['', ''];
  shell.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  shell.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-5_000)));
  const late = setTimeout(() => process.kill(-(shell.pid ?? 0), 'SIGKILL'), ms);
  const [code] = (await once(shell, 'close')) as [number | null];
  clearTimeout(late);
  if (code === 0) errors = '';
  return {
    code,
    differences: differences(
      printed,
      shown.map((one) => one.replaceAll('$PWD', folder)),
    ),
    errors,
  };
}

function scriptOf({ document, line, name, language, text }: Block, row: Row, shown: string[]): string {
  const where = `${document}:${line}, "${name}"`;
  // An interactive shell looks it up in its history, also between double quotes.
  if (/![^\s=(]/.test(text)) throw new Error(`${where}: a "!" cannot be pasted into a terminal`);
  let commands = language === 'sql' ? `psql -q -v ON_ERROR_STOP=1 "$SUPERUSER" <<'SQL'\n${text}\nSQL` : text;
  for (const { text: old, by, because } of row.replaced) {
    if (because === '') throw new Error(`${where}: a row says no reason`);
    const replaced = commands.replaceAll(typeof old === 'string' ? old : new RegExp(old, 'gm'), () => by);
    if (replaced === commands) throw new Error(`${where}: rows.ts replaces ${String(old)}, which is not in it`);
    commands = replaced;
  }
  return [
    `echo '== ${name.replaceAll("'", '')}' >&2`,
    commands
      .replaceAll(AFTER_A_MOMENT, (_all, command: string, output: string) => repeated(command, output))
      .replaceAll(SHOWN, (_all, output: string) => {
        shown.push(output.replaceAll(/\n# {3}/g, ' '));
        return `printf '%s' '${MARK}'`;
      }),
    row.then ?? '',
  ].join('\n');
}

/** The command again and again until it prints what is shown; at the end whatever it prints. */
function repeated(command: string, output: string): string {
  const wanted = output.replace('# → ', '').replaceAll(/\n# {3}/g, ' ');
  return [
    `for moment in $(seq ${MOMENT_SECONDS * 2}); do`,
    `  seen=$(${command})`,
    `  [[ $seen != ${wanted.split('…').map(quoted).join('*')} ]] || break`,
    '  sleep 0.5',
    'done',
    'echo "$seen"',
    output,
  ].join('\n');
}

const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
const literally = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
const withoutSpaces = (text: string) => text.replaceAll(/\s/g, '');

/** What is shown is the last lines of the output since the one before; white space does not count. */
function differences(printed: string, shown: readonly string[]): Walked['differences'] {
  const outputs = printed.split(MARK);
  return shown.flatMap((expected, index) => {
    const output = outputs.length > index + 1 ? (outputs[index] ?? '') : 'it did not come so far';
    const pattern = new RegExp(`^${withoutSpaces(expected).split('…').map(literally).join('.*')}$`, 's');
    const lines = output.split('\n');
    return lines.some((_line, from) => pattern.test(withoutSpaces(lines.slice(from).join(''))))
      ? []
      : [{ shown: expected, printed: output.slice(-2_000) }];
  });
}
