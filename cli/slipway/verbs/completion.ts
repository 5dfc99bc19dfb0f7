import { Argument, type Command } from 'commander';
import { SCRIPTS, SHELLS, type Shell } from '../completion/scripts.js';
import { verb } from '../verb.js';

/** `slipway completion`: verbs, options, names and ids at the Tab key. */
export function completionVerbs(program: Command): void {
  const completion = verb(
    program,
    {
      usage: 'completion',
      says: 'print the script that completes verbs, options, names and ids in a shell',
      examples: [
        'slipway completion bash > ~/.local/share/bash-completion/completions/slipway',
        'slipway completion zsh > ~/.zfunc/_slipway',
        'slipway completion fish > ~/.config/fish/completions/slipway.fish',
      ],
    },
    async (cli, [shell = '']) => cli.data(SCRIPTS[shell as Shell]),
  );
  completion.addArgument(new Argument('<shell>', 'of which shell').choices(SHELLS));
}
