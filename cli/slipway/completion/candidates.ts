import type { Argument, Command, Option } from 'commander';

/** One thing that may stand at the cursor. */
export interface Candidate {
  readonly value: string;
  /** A few words beside it, where the shell shows them. */
  readonly says: string;
}

/** What is asked for at the cursor: fixed words, or a kind of thing by the name of its argument. */
export type Sought =
  | { readonly kind: 'words'; readonly words: readonly Candidate[]; readonly before: string }
  | { readonly kind: 'thing'; readonly name: string; readonly args: readonly string[]; readonly before: string };

/**
 * Reads the tree of verbs: which verbs, options or arguments may follow.
 * @param words before the one at the cursor, without the program's name
 * @param current the word at the cursor; `--output=js` stands for the option and the beginning of its value
 */
export function soughtAt(program: Command, words: readonly string[], current: string): Sought {
  let [command, args, taking]: [Command, string[], Option | undefined] = [program, [], undefined];
  let isOver = false;
  for (const word of words) {
    if (taking !== undefined) taking = undefined;
    else if (word === '--') isOver = true;
    else if (word.startsWith('-') && !isOver) taking = word.includes('=') ? undefined : valued(optionOf(command, word));
    else {
      const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (next === undefined) args = [...args, word];
      else [command, args] = [next, []];
    }
  }
  if (taking !== undefined) return valueOf(taking, args, '');
  const [, name = '', equals] = /^(--[^=]+)(=)?/.exec(isOver ? '' : current) ?? [];
  if (equals !== undefined) {
    const option = valued(optionOf(command, name));
    return option === undefined ? NOTHING : valueOf(option, args, `${name}=`);
  }
  if (current.startsWith('-') && !isOver) return { kind: 'words', words: optionWords(command), before: '' };
  if (command.commands.length > 0 && args.length === 0) return { kind: 'words', words: verbWords(command), before: '' };
  return argumentAt(command.registeredArguments, args);
}

const NOTHING: Sought = { kind: 'words', words: [], before: '' };

function optionOf({ options }: Command, word: string): Option | undefined {
  return options.find(({ short, long }) => word === short || word === long);
}

/** One that may stand without its value takes what follows `=` only. */
function valued(option: Option | undefined): Option | undefined {
  return option?.required === true || (option?.optional === true && option.flags.includes('=')) ? option : undefined;
}

function valueOf({ argChoices, flags }: Option, args: readonly string[], before: string): Sought {
  if (argChoices !== undefined)
    return { kind: 'words', words: argChoices.map((value) => ({ value, says: '' })), before };
  const [, name = ''] = /[<[]([^>\]]+)[>\]]/.exec(flags) ?? [];
  return { kind: 'thing', name, args, before };
}

function argumentAt(all: readonly Argument[], args: readonly string[]): Sought {
  const argument = all[args.length] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined);
  if (argument === undefined) return NOTHING;
  const { argChoices } = argument;
  if (argChoices !== undefined)
    return { kind: 'words', words: argChoices.map((value) => ({ value, says: '' })), before: '' };
  return { kind: 'thing', name: argument.name(), args, before: '' };
}

function verbWords(command: Command): Candidate[] {
  return command.commands.map((one) => ({ value: one.name(), says: one.description() }));
}

function optionWords(command: Command): Candidate[] {
  const own = command.options.map(({ long, short, description }) => ({
    value: long ?? short ?? '',
    says: description,
  }));
  return [...own, { value: '--help', says: 'options, and an example' }];
}
