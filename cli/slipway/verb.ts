import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { Cli, type Globals } from './cli.js';
import { FORMATS } from './print.js';
import { parseSpan } from './text.js';

/** What a verb does. Arguments are in the order of its usage; absent ones are undefined. */
export type Work<Options> = (cli: Cli, args: readonly string[], options: Options) => Promise<void>;

/** What a verb is, before its options. */
export interface VerbText {
  /** `show <device>`. The names of arguments say what completion offers for them. */
  readonly usage: string;
  /** A sentence without a full stop. */
  readonly says: string;
  /** Commands that can be copied; at least one. */
  readonly examples: readonly [string, ...string[]];
}

/**
 * Adds a verb with what every verb has: `-o`, `--profile`, and its examples in `--help`. Its own options are added to
 * what is returned; `does` gets them by name.
 */
export function verb<Options = Record<string, never>>(
  parent: Command,
  { usage, says, examples }: VerbText,
  does: Work<Options>,
): Command {
  const command = parent.command(usage).description(says);
  command
    .addOption(new Option('-o, --output <format>', 'how the result is printed').choices(FORMATS).default('table'))
    .option('--profile <profile>', 'another profile than the one in use')
    .addHelpText('after', `\nExamples:\n${examples.map((one) => `  ${one}`).join('\n')}`)
    .action(async () => {
      const options = command.opts<Options & Globals>();
      await does(new Cli(options), command.processedArgs.flat() as string[], options);
    });
  return command;
}

/** A group of verbs: `slipway device …`. */
export function group(parent: Command, name: string, says: string): Command {
  return parent.command(name).description(says);
}

/** For an option that may be repeated. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** For an option that is a number. */
export function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

/** For an option that is a time to wait: milliseconds. */
export function span(text: string): number {
  const ms = parseSpan(text);
  if (ms === undefined) throw new InvalidArgumentError('It is a duration such as 90s, 5m, 2h or PT1H30M.');
  return ms;
}
