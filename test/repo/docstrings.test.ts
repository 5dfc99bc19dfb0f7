import { basename } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from '@jest/globals';
import { code, files, read } from './files.js';

/** What others call. The bench and the tests are called by nothing. */
const product = code.filter((file) => /\.ts$/.test(file) && !/\.d\.ts$|^(bench|test)\/|^[^/]+$/.test(file));

/** Names that a statement exports by itself; a list such as `export { a }` names what is declared elsewhere. */
function exported(statement: ts.Statement): string[] {
  const isExported =
    ts.canHaveModifiers(statement) &&
    ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
  if (!isExported) return [];
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  }
  const isDeclaration =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isEnumDeclaration(statement);
  return isDeclaration && statement.name ? [statement.name.text] : [];
}

/** A comment with an empty line behind it is about the file, not about what follows. */
function hasDocstring(text: string, statement: ts.Statement): boolean {
  const start = statement.getStart();
  return (ts.getLeadingCommentRanges(text, statement.getFullStart()) ?? []).some(
    ({ pos, end }) => text.startsWith('/**', pos) && !/\n\s*\n/.test(text.slice(end, start)),
  );
}

/** `file:line name` of each name that a file exports without a docstring. */
function undocumented(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  return source.statements.flatMap((statement) =>
    hasDocstring(text, statement)
      ? []
      : exported(statement).map(
          (name) => `${file}:${source.getLineAndCharacterOfPosition(statement.getStart()).line + 1} ${name}`,
        ),
  );
}

const names = new Set(files.map((file) => basename(file)));

/** With a folder: a file of that path, from the root or from a folder on. Without: a file of that name anywhere. */
function exists(path: string): boolean {
  return path.includes('/') ? files.some((file) => file === path || file.endsWith(`/${path}`)) : names.has(path);
}

/**
 * `file:line path` of each file that a comment names and that is not there. A name of one letter is a placeholder.
 */
function lost(file: string, text: string): string[] {
  const comment = file.endsWith('.sql') ? /--(.*)/ : file.endsWith('.sh') ? /#(.*)/ : /(?:^\s*\*|\/\/|\/\*)(.*)/;
  return text.split('\n').flatMap((line, index) => {
    const said = comment.exec(line)?.[1] ?? '';
    return [...said.matchAll(/(?<![\w*.$/<>-])((?:[\w.-]+\/)*[\w-]{2,}\.(?:ts|cjs|sql|sh|md|peggy))\b/g)]
      .map(([, path]) => path!)
      .filter((path) => !exists(path))
      .map((path) => `${file}:${index + 1} ${path}`);
  });
}

describe('A docstring', () => {
  it('stands on every name that a product file exports', () => {
    expect(product.length).toBeGreaterThan(300);
    expect(product.flatMap((file) => undocumented(file, read(file)))).toEqual([]);
  });

  it('counts only directly above its declaration', () => {
    const text = ['/** About the file. */', '', 'export const a = 1;', '/** Metres. */', 'export type B = 1;'].join(
      '\n',
    );
    expect(undocumented('a.ts', text)).toEqual(['a.ts:3 a']);
  });
});

describe('A comment', () => {
  it('names only files that exist', () => {
    expect(code.flatMap((file) => lost(file, read(file)))).toEqual([]);
  });

  it('is read for names in each language', () => {
    const name = ['gone', 'ts'].join('.');
    expect(lost('a.ts', `const a = '${name}';\n/** As in ${name}. */\n * (store/${name})\nf(); // ${name}`)).toEqual([
      `a.ts:2 ${name}`,
      `a.ts:3 store/${name}`,
      `a.ts:4 ${name}`,
    ]);
    expect(lost('a.sql', `SELECT 1; -- as in ${name}`)).toEqual([`a.sql:1 ${name}`]);
    expect(lost('a.sh', `run # as in ${name}`)).toEqual([`a.sh:1 ${name}`]);
  });
});
