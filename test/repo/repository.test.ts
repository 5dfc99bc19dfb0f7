import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { ERRORS } from '../../domain/errors.js';
import { OPEN_STATES } from '../../domain/installation/states.js';
import { REFUSAL_SENTENCES } from '../../bridge/inbound/refusals.js';
import { REFUSAL_REASONS } from '../../protocol/mqtt/payloads.js';
import { SETTING_NAMES } from '../../runtime/settings.js';

const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((file) => existsSync(file));
const read = (file: string) => readFileSync(file, 'utf8');
const code = files.filter((file) => /\.(ts|js|cjs|sql|sh)$/.test(file));

describe('The repository', () => {
  it('has no source file of over 400 lines but those that are generated', () => {
    const generated = /^(store\/schema\.sql|domain\/fleet\/filter-grammar\..*)$/;
    expect(code.filter((file) => !generated.test(file) && read(file).split('\n').length > 400)).toEqual([]);
  });

  it('has no attic: no folder called src, lib, utils, helpers, common, shared or manager', () => {
    expect(files.filter((file) => /(^|\/)(src|lib|utils|helpers|common|shared|manager)\//.test(file))).toEqual([]);
  });

  it('has no empty catch, no skipped test and no mark of unfinished work', () => {
    const marks =
      /catch\s*(\([^)]*\))?\s*\{\s*\}|\b(it|describe|test)\.(skip|only|todo)\(|\b(TODO|FIXME|XXX|HACK)\b|@ts-ignore|eslint-disable|\bas any\b/;
    expect(code.filter((file) => file !== 'test/repo/repository.test.ts' && marks.test(read(file)))).toEqual([]);
  });

  it('spells topics in one module only', () => {
    const spelled = /['"`]slipway\/v1\//;
    const comment = /^\s*(\*|\/\/|\/\*)/;
    const spellers = files
      .filter((file) => /^(api|adapters|bridge|agent|store|workers|activities|workflows|domain)\/.*\.ts$/.test(file))
      .filter((file) =>
        read(file)
          .split('\n')
          .some((line) => !comment.test(line) && spelled.test(line)),
      );
    expect(spellers).toEqual([]);
  });

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
      [...REFUSAL_REASONS, ...Object.keys(REFUSAL_SENTENCES), 'unstorable', 'foreign_subscription', 'log'].sort(),
    );
  });

  it('says of every state in which an installation may be stuck what to look at', () => {
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

  it.each([
    ['docs/spec/installation.md', 'I'],
    ['docs/spec/device-protocol.md', 'D'],
    ['docs/spec/outbox.md', 'O'],
    ['docs/spec/rollout.md', 'R'],
  ] as const)('tests every invariant that %s numbers, and numbers every one that a test names', (spec, letter) => {
    const numbered = new Set([...read(spec).matchAll(/^\| ([A-Z]\d+) \|/gm)].map(([, number]) => number!));
    const titles = files
      .filter((file) => file.endsWith('.test.ts'))
      .flatMap((file) =>
        [...read(file).matchAll(/\b(?:it|describe)(?:\.each\([^;]*?\))?\(\s*['`]([^'`]*)/g)].map(([, title]) => title!),
      );
    const named = new Set(titles.flatMap((title) => title.match(new RegExp(`\\b${letter}\\d+\\b`, 'g')) ?? []));
    expect(numbered.size).toBeGreaterThan(0);
    expect([...numbered].filter((number) => !named.has(number))).toEqual([]);
    expect([...named].filter((number) => !numbered.has(number))).toEqual([]);
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

  it('installs one copy of protobufjs for the engine: with two, histories cannot be read', () => {
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version: string }> };
    const copies = Object.entries(lock.packages)
      .filter(([path]) => path.endsWith('node_modules/protobufjs') && !path.includes('proto-loader'))
      .map(([, { version }]) => version);
    expect(copies).toHaveLength(1);
  });

  it('ties no package to a registry: the lock file names none', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved": "https?:/);
  });
});
