import { describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { ERRORS } from '../../domain/errors.js';
import { OPEN_STATES } from '../../domain/installation/states.js';
import { REFUSAL_SENTENCES } from '../../store/commands/refusal-sentences.js';
import { REFUSAL_REASONS } from '../../protocol/mqtt/payloads.js';
import { SETTING_NAMES } from '../../runtime/settings.js';
import { files, read } from './files.js';

describe('The repository', () => {
  it('documents every error code, and none that does not exist', () => {
    const documented = [...read('docs/errors.md').matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \| (.+) \|$/gm)].map(
      ([, code_, status, title]) => [code_, Number(status), title],
    );
    expect(documented).toEqual(Object.entries(ERRORS).map(([name, { status, title }]) => [name, status, title]));
  });

  it('documents every reason for which a report is refused', () => {
    const [, table = ''] = /^\| reason \| .*\n((?:\|.*\n?)+)/m.exec(read('docs/errors.md')) ?? [];
    const documented = [...table.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`([a-z0-9_]+)`/g)].map(([, reason]) => reason!),
    );
    expect(documented.sort()).toEqual(
      [
        ...REFUSAL_REASONS,
        ...Object.keys(REFUSAL_SENTENCES),
        'revision_ceiling',
        'type_contradicted',
        'unstorable',
        'foreign_subscription',
        'too_many_connections',
        'damaged_file',
        'log',
      ].sort(),
    );
  });

  it('documents for every open state what an installation waits for', () => {
    const [, table = ''] =
      /^\| state \| it waits for \| look at \|\n((?:\|.*\n)+)/m.exec(read('docs/operations.md')) ?? [];
    const said = new Set(
      [...table.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell]) =>
        [...cell!.matchAll(/`([a-z_]+)`/g)].map(([, state]) => state!),
      ),
    );
    expect([...said].sort()).toEqual([...OPEN_STATES].sort());
  });

  it('documents every setting', () => {
    const operations = read('docs/operations.md');
    expect(SETTING_NAMES.filter((name) => !operations.includes(`\`${name}\``))).toEqual([]);
  });

  it('has every command that the README names', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const commands = [...read('README.md').matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name!);
    expect(['start', 'test', ...commands].filter((name) => !(name in scripts))).toEqual([]);
  });

  it('has no link in its documents that leads nowhere', () => {
    const dead = files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
          .filter(
            ([, link]) => !existsSync(`${file.includes('/') ? file.slice(0, file.lastIndexOf('/') + 1) : ''}${link}`),
          )
          .map(([, link]) => `${file}: ${link}`),
      );
    expect(dead).toEqual([]);
  });
});
