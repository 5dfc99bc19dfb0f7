import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { migrationNames } from '../../store/db/schema-fit.js';

/** The migration that made `schema_needs`: the rule holds for those after it. */
const FIRST = 'schema-needs';

/** What an older process may use, or may write, and cannot any more. Each is the beginning of a clause. */
const TAKES_AWAY: readonly RegExp[] = [
  /^DROP (TABLE|VIEW|MATERIALIZED VIEW|FUNCTION|TYPE|SCHEMA|TRIGGER|SEQUENCE|POLICY|CONSTRAINT|DEFAULT|(COLUMN )?\w)/i,
  /^RENAME/i,
  /^ALTER (COLUMN )?\w+ (TYPE|SET DATA TYPE|SET NOT NULL|DROP DEFAULT)/i,
  /^ADD (COLUMN )?(IF NOT EXISTS )?\w+ (?!.*\b(DEFAULT|GENERATED)\b).*\bNOT NULL/is,
  /^ADD (CONSTRAINT \w+ )?(CHECK|UNIQUE|FOREIGN KEY|EXCLUDE|PRIMARY KEY)/i,
  /^CREATE UNIQUE INDEX/i,
  /^(REVOKE|TRUNCATE|DELETE)/i,
];

/** The statements of a migration, and of those that alter a table each clause. */
function clauses(text: string): string[] {
  const statements = text
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/\$(\w*)\$[\s\S]*?\$\1\$/g, "''")
    .split(';')
    .map((one) => one.trim());
  // What a statement does to a table that it has just made, no older process has used.
  const made = new Set([...text.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+)/gi)].map(([, name]) => name));
  return statements.flatMap((statement) => {
    const [, table, rest] = /^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\w+)\s+([\s\S]*)$/i.exec(statement) ?? [];
    const [, indexed] = /^CREATE UNIQUE INDEX .*? ON (\w+)/is.exec(statement) ?? [];
    if (made.has(table ?? indexed ?? '')) return [];
    return rest === undefined ? [statement] : rest.split(/,(?![^(]*\))/).map((one) => one.trim());
  });
}

/** What an older version would miss. DROP INDEX is not: it makes nothing impossible. */
const takenAway = (text: string): string[] =>
  clauses(text).filter((one) => !/^DROP INDEX/i.test(one) && TAKES_AWAY.some((clause) => clause.test(one)));

/** @returns what is wrong with a migration, in sentences. */
function faultsOf(name: string, text: string, earlier: readonly string[]): string[] {
  const taken = takenAway(text);
  const needs = [...text.matchAll(/INSERT INTO schema_needs[^;]*?VALUES\s*\(\s*'([^']+)',\s*'([^']+)'/g)];
  const isExplained = /^-- Older versions go on: \S/m.test(text);
  const silent =
    taken.length > 0 && needs.length === 0 && !isExplained
      ? [`${name} takes away (${taken[0]!.slice(0, 60)}) and neither names what a process must know, nor says why not`]
      : [];
  return [
    ...silent,
    ...needs.flatMap(([, migration, least]) => [
      ...(migration === name ? [] : [`${name} names itself "${migration}" in schema_needs`]),
      ...(earlier.includes(least!) ? [] : [`${name} needs "${least}", which does not come before it`]),
    ]),
  ];
}

let names: string[];
beforeAll(async () => {
  names = await migrationNames();
});

describe('A migration', () => {
  it('adds first: one that removes, renames or forbids says which version can go on without it', () => {
    const from = names.findIndex((name) => name.endsWith(FIRST));
    expect(from).toBeGreaterThan(0);
    const faults = names
      .slice(from + 1)
      .flatMap((name) =>
        faultsOf(name, readFileSync(`store/sql/${name}.sql`, 'utf8'), names.slice(0, names.indexOf(name))),
      );
    expect(faults).toEqual([]);
  });

  it.each([
    ['ALTER TABLE devices ADD COLUMN a text, DROP COLUMN b', ['DROP COLUMN b']],
    ['ALTER TABLE devices DROP b', ['DROP b']],
    ['ALTER TABLE devices RENAME COLUMN a TO b', ['RENAME COLUMN a TO b']],
    ['ALTER TABLE devices ALTER COLUMN a TYPE bigint', ['ALTER COLUMN a TYPE bigint']],
    ['ALTER TABLE devices ALTER COLUMN a SET NOT NULL', ['ALTER COLUMN a SET NOT NULL']],
    ['ALTER TABLE devices ADD COLUMN a text NOT NULL', ['ADD COLUMN a text NOT NULL']],
    ["ALTER TABLE devices ADD COLUMN a text NOT NULL DEFAULT ''", []],
    ['ALTER TABLE devices ADD CHECK (a > 0)', ['ADD CHECK (a > 0)']],
    ['CREATE UNIQUE INDEX i ON devices (a)', ['CREATE UNIQUE INDEX i ON devices (a)']],
    ['CREATE TABLE t (a int); CREATE UNIQUE INDEX i ON t (a); ALTER TABLE t ADD CHECK (a > 0)', []],
    ['DROP TABLE devices', ['DROP TABLE devices']],
    ['-- DROP TABLE devices\nSELECT 1', []],
    ['DROP INDEX i; CREATE INDEX j ON devices (a)', []],
    ['REVOKE SELECT ON devices FROM slipway_api', ['REVOKE SELECT ON devices FROM slipway_api']],
  ])('that does "%s" takes away %j', (text, taken) => {
    expect(takenAway(text)).toEqual(taken);
  });

  it('is named where it removes in silence, needs what is to come, or names another', () => {
    const drop = 'ALTER TABLE devices DROP COLUMN a;';
    const needs = (migration: string, least: string) =>
      `INSERT INTO schema_needs VALUES ('${migration}', '${least}', 'x');`;
    expect(faultsOf('0002-b', drop, ['0001-a'])).toHaveLength(1);
    expect(faultsOf('0002-b', `-- Older versions go on: nothing reads it.\n${drop}`, ['0001-a'])).toEqual([]);
    expect(faultsOf('0002-b', drop + needs('0002-b', '0001-a'), ['0001-a'])).toEqual([]);
    expect(faultsOf('0002-b', drop + needs('0002-b', '0002-b'), ['0001-a'])).toEqual([
      '0002-b needs "0002-b", which does not come before it',
    ]);
    expect(faultsOf('0002-b', drop + needs('0003-c', '0001-a'), ['0001-a'])).toEqual([
      '0002-b names itself "0003-c" in schema_needs',
    ]);
  });
});
