import { describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { files, read } from './files.js';

/**
 * Of every test and group of tests, also of the suites that several share; Prettier takes double quotes where a title
 * holds an apostrophe.
 */
const titles = files
  .filter((file) => file.endsWith('.test.ts') || file.startsWith('test/contract/'))
  .flatMap((file) =>
    [...read(file).matchAll(/\b(?:it|describe)(?:\.each\([^;]*?\))?\(\s*(['"`])((?:(?!\1).)*)/g)].map(
      ([, , title]) => title!,
    ),
  );

const sources = new Map(
  files.filter((file) => /\.ts$/.test(file) && !/^(test|bench)\//.test(file)).map((file) => [file, read(file)]),
);
const schema = read('store/schema.sql');

/** Is it declared there, as a function, a class, a constant or a type; for `Class.member`, with that member? */
function declares(source: string, name: string): boolean {
  const [declared, member] = name.split('.');
  if (
    !new RegExp(`^(export )?(async |abstract )*(function\\*?|class|const|interface|type) ${declared}\\b`, 'm').test(
      source,
    )
  )
    return false;
  return member === undefined || new RegExp(`^  ((private|public|static|async|get) )*${member}[(<:]`, 'm').test(source);
}

/** `table` or `table.column` of the dumped schema. */
function inSchema(name: string): boolean {
  const [table, column] = name.split('.');
  const [, columns] = new RegExp(`^CREATE TABLE ${table} \\(\\n([^;]*)\\n\\);`, 'm').exec(schema) ?? [];
  return columns !== undefined && (column === undefined || new RegExp(`^  ${column} `, 'm').test(columns));
}

/** What a cell "enforced by" names that is nowhere: paths, names, and names in a file. */
function dead(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`(?: in `([^`]+)`)?/g)].flatMap(([, name, file]) => {
    if (name!.includes('/')) return existsSync(name!) ? [] : [name!];
    if (file?.includes('/')) return declares(sources.get(file) ?? '', name!) ? [] : [`${name} in ${file}`];
    return inSchema(name!) || [...sources.values()].some((source) => declares(source, name!)) ? [] : [name!];
  });
}

describe('The repository', () => {
  it.each([
    ['docs/spec/installation.md', 'I'],
    ['docs/spec/device-protocol.md', 'D'],
    ['docs/spec/outbox.md', 'O'],
    ['docs/spec/rollout.md', 'R'],
  ] as const)('tests every invariant that %s numbers, and numbers every one that a test names', (spec, letter) => {
    const numbered = new Set([...read(spec).matchAll(/^\| ([A-Z]\d+) \|/gm)].map(([, number]) => number!));
    const named = new Set(titles.flatMap((title) => title.match(new RegExp(`\\b${letter}\\d+\\b`, 'g')) ?? []));
    expect(numbered.size).toBeGreaterThan(0);
    expect([...numbered].filter((number) => !named.has(number))).toEqual([]);
    expect([...named].filter((number) => !numbered.has(number))).toEqual([]);
  });

  it('has everything that docs/spec/ names as what enforces an invariant', () => {
    const rows = files
      .filter((file) => /^docs\/spec\/.*\.md$/.test(file))
      .flatMap((file) =>
        [...read(file).matchAll(/^\| ([A-Z]\d+) \| .* \| ([^|]*) \|$/gm)].map(([, number, cell]) => ({
          number,
          cell: cell!,
        })),
      );
    expect(rows.length).toBeGreaterThan(50);
    expect(rows.map(({ number, cell }) => [number, dead(cell)]).filter(([, names]) => names!.length > 0)).toEqual([]);
  });
});
