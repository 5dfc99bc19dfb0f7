import { Cli } from '../cli.js';
import { createProgram } from '../program.js';
import { soughtAt, type Candidate } from './candidates.js';
import { THINGS } from './things.js';
import { bashText, typedIn } from './words.js';

/** A person waits for it at the keyboard. */
const DEADLINE_MS = 800;
/** Names of arguments that are files; the shell completes them by itself. */
const FILES = ['file', 'folder'];

/**
 * Answers a shell: lines of `value TAB description`, or `:files`. It says nothing where the service is away, slow, or
 * not known: what a shell shows while one types is no place for errors. It ends the process.
 * @param args the shell, then for bash the line up to the cursor, for the others the words up to and with the cursor's
 */
export async function complete([shell = '', ...args]: readonly string[]): Promise<never> {
  setTimeout(() => process.exit(0), DEADLINE_MS).unref();
  const typed = shell === 'bash' ? typedIn(args[0] ?? '') : undefined;
  const words = typed?.before.slice(1) ?? args.slice(0, -1);
  const current = typed?.current ?? args.at(-1) ?? '';
  // Whatever it is: the shell has nothing to show, and the verb itself will say it.
  const found = await candidates(words, current).catch(() => []);
  const text =
    found === 'files'
      ? ':files\n'
      : found
          .filter(({ value }) => value.startsWith(current) && value !== '' && !/[\u0000-\u001f\u007f]/.test(value))
          .map(({ value, says }) =>
            typed === undefined ? `${value}\t${says.replaceAll(/\s+/g, ' ')}\n` : `${bashText(value, typed)}\n`,
          )
          .join('');
  await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
  process.exit(0);
}

async function candidates(words: readonly string[], current: string): Promise<readonly Candidate[] | 'files'> {
  const sought = soughtAt(createProgram(), words, current);
  const { before } = sought;
  const behind = (found: readonly Candidate[]) => found.map((one) => ({ ...one, value: before + one.value }));
  if (sought.kind === 'words') return behind(sought.words);
  if (FILES.includes(sought.name)) return 'files';
  const list = Object.hasOwn(THINGS, sought.name) ? THINGS[sought.name] : undefined;
  if (list === undefined) return [];
  const at = words.indexOf('--profile');
  const profile = at < 0 ? undefined : words[at + 1];
  const cli = new Cli({ output: 'table', ...(profile === undefined ? {} : { profile }) });
  const asked = {
    // Not asked for where nothing of the service is listed: profiles are there without one.
    get client() {
      return cli.client;
    },
    begun: current.slice(before.length),
    args: sought.args,
  };
  return behind(await list(asked));
}
