import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import {
  SQLSTATES,
  isOfOneRow,
  isRetryable,
  isTransient,
  isUndefinedTable,
  isUnreachable,
  whoseFailure,
} from '../../store/db/sqlstates.js';

const failure = (code: string) => Object.assign(new Error('made up'), { code });

describe('A failure of the database', () => {
  it.each([
    ['40001', 'another transaction came between', 'retry'],
    ['40P01', 'a deadlock', 'retry'],
    ['55P03', 'a lock that was not free in time', 'row'],
    ['57014', 'a statement that took too long', 'row'],
    ['25P03', 'a process that stalled in a transaction', 'database'],
    ['08006', 'a connection that broke', 'database'],
    ['53300', 'too many connections', 'database'],
    ['57P01', 'a shutdown', 'database'],
    ['57P03', 'a start', 'database'],
    ['58030', 'a disk that fails', 'database'],
    ['ECONNREFUSED', 'nothing listens there', 'database'],
    ['23505', 'a key that is there already', undefined],
    ['22P02', 'a text that is no number', undefined],
    ['42P01', 'a table that is not there', 'schema'],
    ['42703', 'a column that is not there', 'schema'],
    ['0A000', 'a plan that is out of date', undefined],
  ])('%s: %s is of %s', (code, _what, whose) => {
    expect(whoseFailure(failure(code))).toBe(whose);
    expect(isTransient(failure(code))).toBe(whose !== undefined);
    expect(isRetryable(failure(code))).toBe(whose === 'retry');
    expect(isOfOneRow(failure(code))).toBe(whose === 'retry' || whose === 'row');
  });

  it.each(['timeout exceeded when trying to connect', 'Connection terminated unexpectedly', 'Query read timeout'])(
    'of node-postgres has no code, and is known by its message: %s',
    (message) => expect(whoseFailure(new Error(message))).toBe('database'),
  );

  it('is of the database where one of several addresses was away', () => {
    expect(whoseFailure(new AggregateError([failure('ECONNREFUSED'), failure('ECONNREFUSED')]))).toBe('database');
  });

  it('is undefined where something else was thrown', () => {
    for (const thrown of [undefined, null, 'a text', new Error('other')]) expect(whoseFailure(thrown)).toBeUndefined();
  });

  it('is worth waiting for at a start only where nothing answers yet, also below another error', () => {
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', '57P03']) expect(isUnreachable(failure(code))).toBe(true);
    expect(isUnreachable(new Error('the migrations', { cause: failure('ECONNRESET') }))).toBe(true);
    expect(isUnreachable(failure('28P01'))).toBe(false);
  });

  it('names a table that an older schema lacks', () => {
    expect([isUndefinedTable(failure('42P01')), isUndefinedTable(failure('42703'))]).toEqual([true, false]);
  });
});

describe('The table of SQLSTATEs', () => {
  it('has a name and a sentence for each', () => {
    for (const { name, comment } of Object.values(SQLSTATES)) {
      expect(name).toMatch(/^[a-z_]+$/);
      expect(comment).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('is the only place that spells codes of failures that pass', () => {
    const spelled = /'(08|40|53|55|57|58)[0-9A-Z]{3}'|'25P03'|'42P01'|'42703'/;
    const files = execFileSync('git', ['ls-files', '*.ts'], { encoding: 'utf8' }).trim().split('\n');
    const product = files.filter((file) => !/^(test|bench)\//.test(file) && file !== 'store/db/sqlstates.ts');
    // 42P05 of prepared.ts is about names of statements.
    expect(product.filter((file) => spelled.test(readFileSync(file, 'utf8').replaceAll("'42P05'", '')))).toEqual([]);
  });
});
