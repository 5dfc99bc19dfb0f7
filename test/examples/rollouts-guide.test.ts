import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { PAUSE_REASONS } from '../../domain/rollout/facts.js';
import { PHASES } from '../../domain/rollout/phase.js';
import { ACTIONS, whyNot } from '../../domain/rollout/why-not.js';
import { newRollout } from '../../protocol/http/rollout-plan.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import { LEAST } from '../support/rollout-plan.js';

const guide = readFileSync('docs/rollouts.md', 'utf8');
/** Rows of the table in a chapter, without its head. */
const rowsOf = (chapter: string): string[][] =>
  [...(guide.split(`## ${chapter}\n`)[1] ?? '').split('\n## ')[0]!.matchAll(/^\| (.+) \|$/gm)]
    .map(([, row]) => row!.split(' | '))
    .slice(1);
const names = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

describe('The guide to rollouts', () => {
  it('documents each pause reason: meaning and remedy', () => {
    expect(rowsOf('Pause reasons').map(([reason]) => reason)).toEqual(PAUSE_REASONS.map((reason) => `\`${reason}\``));
  });

  it('documents in which phases each command is allowed', () => {
    const allowed = (action: (typeof ACTIONS)[number]) => PHASES.filter((phase) => whyNot(action, phase) === undefined);
    const told = rowsOf('Commands').map(([command, , phases]) => [
      /…\/(?:groups\/\{name\}\/)?(\w+)/.exec(command!)?.[1] ?? (command!.includes('DELETE') ? 'delete' : 'amend'),
      phases!.startsWith('all but')
        ? PHASES.filter((phase) => phase !== 'rolling_back' && !phases!.includes(phase))
        : phases!.split(', '),
    ]);
    const expected = ACTIONS.filter((action) => action !== 'reject').map((action) => [action, allowed(action)]);
    expect(told).toEqual(expected);
    expect(allowed('reject')).toEqual(allowed('approve'));
  });

  it('names every member that has a default', () => {
    const { defaulted } = toPlan(newRollout.parse({ ...LEAST, groups: [{ name: 'all' }] }));
    const told = rowsOf('Plan options').flatMap(([member]) => names(member!));
    const covered = (pointer: string) =>
      told.some((name) => `${pointer}/`.startsWith(`/${name.replace('[]', '/0').replaceAll('.', '/')}/`));
    expect(defaulted.filter((pointer) => !covered(pointer))).toEqual([]);
  });

  it('names every phase', () => {
    const [, sentence = ''] = /^`phase` is ([^;]+);/m.exec(guide) ?? [];
    expect(names(sentence)).toEqual([...PHASES]);
  });
});
