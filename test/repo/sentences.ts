import ts from 'typescript';
import { files, read } from './files.js';

/** A text for people, and where it stands. `${…}` are printed as in the source. */
export interface Sentence {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** Sources whose texts reach users: answers of the API, `waitingOn`, `because`, timelines, the OpenAPI document. */
const FOR_USERS =
  /^(domain|protocol\/http|activities|api|bridge\/(inbound|webhooks)|store\/(commands|fleet|history|installations|rollouts))\/.*\.ts$/;
/** At least three words; what speaks SQL speaks to no user. */
const IS_SENTENCE = /[a-z]{2,}[^a-z]* [^a-z]*[a-z]+[^a-z]* [^a-z]*[a-z]{2,}/i;
const IS_SQL =
  /\b(SELECT|INSERT|UPDATE|DELETE|WHERE|FROM|SET|ALTER|SAVEPOINT|RETURNING|NULL|EXCLUDED|FOR NO KEY|BEGIN|ORDER BY|ILIKE|ANY)\b|\b(uuid|text|timestamptz|jsonb)\b,/;
const TEST_CALLS = new Set(['it', 'test', 'describe', 'story']);

/** All texts in the sources that users may read, in the order of files and lines. */
export function sentences(): Sentence[] {
  return files.filter((file) => FOR_USERS.test(file) && !file.includes('generated')).flatMap(sentencesOf);
}

/** Titles of all tests; those of `it.each` tables are titles too where they are texts of their own. */
export function titles(): Sentence[] {
  return files.filter((file) => /^test\/.*\.ts$/.test(file)).flatMap(titlesOf);
}

/** Headings of the documents; decisions are frozen, and the changelog is a list. */
export function headings(): Sentence[] {
  return files
    .filter((file) => /\.md$/.test(file) && !file.startsWith('docs/decisions/'))
    .flatMap((file) => {
      let isCode = false;
      return read(file)
        .split('\n')
        .flatMap((text, index) => {
          if (text.startsWith('```')) isCode = !isCode;
          return !isCode && /^#+ /.test(text) ? [{ file, line: index + 1, text: text.replace(/^#+ /, '') }] : [];
        });
    });
}

function sentencesOf(file: string): Sentence[] {
  return collect(file, (node) => {
    if (ts.isImportDeclaration(node.parent)) return undefined;
    const text = textOf(node);
    return text !== undefined && IS_SENTENCE.test(text) && !IS_SQL.test(text) ? text : undefined;
  });
}

function titlesOf(file: string): Sentence[] {
  return collect(file, (node) => {
    const call = node.parent;
    if (!ts.isCallExpression(call) || call.arguments[0] !== node) return undefined;
    const [name = ''] = /^\w+/.exec(call.expression.getText()) ?? [];
    return TEST_CALLS.has(name) ? textOf(node) : undefined;
  });
}

function collect(file: string, pick: (node: ts.Node) => string | undefined): Sentence[] {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const found: Sentence[] = [];
  const visit = (node: ts.Node): void => {
    const text = node.kind === ts.SyntaxKind.SourceFile ? undefined : pick(node);
    if (text !== undefined) {
      found.push({ file, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, text });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  return ts.isTemplateExpression(node) ? node.getText().slice(1, -1) : undefined;
}
