import type { Command } from 'commander';
import { createProgram } from '../../cli/slipway/program.js';

/** One verb of the tree: `rollout start`. */
export interface Leaf {
  readonly name: string;
  readonly command: Command;
}

/** Every verb that does something, as users type it. */
export function leaves(command = createProgram(), path: readonly string[] = []): Leaf[] {
  if (command.commands.length === 0) return [{ name: path.join(' '), command }];
  return command.commands.flatMap((one) => leaves(one, [...path, one.name()]));
}
