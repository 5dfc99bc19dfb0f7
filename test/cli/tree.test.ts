import { describe, expect, it } from '@jest/globals';
import { leaves } from './tree.js';

function helpOf(name: string): string {
  const { command } = leaves().find((one) => one.name === name)!;
  let help = '';
  // Nothing is asked of this process's own streams.
  command.configureOutput({
    writeOut: (text) => (help += text),
    getOutHelpWidth: () => 120,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return help;
}

describe('The verbs of slipway', () => {
  const verbs = leaves();

  it.each(verbs.map(({ name }) => name))('%s has a sentence, -o, and an example of itself in its help', (name) => {
    const { command } = verbs.find((one) => one.name === name)!;
    expect(command.description()).toMatch(/^[a-z].*[^.]$/);
    expect(command.options.map(({ long }) => long)).toEqual(expect.arrayContaining(['--output', '--profile']));
    const [, examples = ''] = helpOf(name).split('Examples:\n');
    const lines = examples.split('\n').filter((line) => line.trim() !== '');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(new RegExp(`^  slipway ${name}\\b`));
  });

  it('take arguments whose names say what completion offers', () => {
    const known = [
      'association',
      'certificate',
      'credential',
      'delivery',
      'device',
      'enrolment',
      'file',
      'firmware',
      'installation',
      'job',
      'key',
      'name',
      'profile',
      'rollout',
      'serial',
      'shell',
      'template',
      'tenant',
      'token',
      'type',
      'url',
      'webhook',
    ];
    const names = new Set(verbs.flatMap(({ command }) => command.registeredArguments.map((one) => one.name())));
    expect([...names].filter((name) => !known.includes(name))).toEqual([]);
  });
});
