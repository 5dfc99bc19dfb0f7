import { relative, resolve } from 'node:path';
import ts from 'typescript';

/** One `x.query(text, …)` in the source. */
export interface QueryCall {
  readonly node: ts.CallExpression;
  /** `store/db/leases.ts:24` */
  readonly place: string;
}

/** The program as `tsc` sees it, with what the reading of statements looks up again and again. */
export interface Source {
  readonly checker: ts.TypeChecker;
  readonly calls: readonly QueryCall[];
  /** Calls of a function, by its declaration: where a statement's text depends on a parameter, they say on what. */
  readonly callersOf: ReadonlyMap<ts.Node, readonly ts.CallExpression[]>;
}

/**
 * Reads the program that `tsconfig.json` describes.
 * @param folders in which queries are looked for; callers are looked for everywhere.
 */
export function readSource(folders: readonly string[]): Source {
  const { config } = ts.readConfigFile('tsconfig.json', (path) => ts.sys.readFile(path)) as { config: unknown };
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, process.cwd());
  const program = ts.createProgram(fileNames, options);
  const checker = program.getTypeChecker();
  const calls: QueryCall[] = [];
  const callersOf = new Map<ts.Node, ts.CallExpression[]>();
  for (const file of program.getSourceFiles()) {
    const path = relative(process.cwd(), resolve(file.fileName));
    if (file.isDeclarationFile || path.startsWith('..') || path.startsWith('node_modules')) continue;
    const isSearched = folders.some((folder) => path.startsWith(`${folder}/`));
    visit(file, (node) => {
      if (!ts.isCallExpression(node)) return;
      if (isSearched && isQuery(checker, node)) calls.push({ node, place: placeOf(node) });
      const declaration = calledFunction(checker, node.expression);
      if (declaration) callersOf.set(declaration, [...(callersOf.get(declaration) ?? []), node]);
    });
  }
  return { checker, calls, callersOf };
}

/** Where a node stands, as an editor opens it. */
export function placeOf(node: ts.Node): string {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  return `${relative(process.cwd(), resolve(file.fileName))}:${line + 1}`;
}

export function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

/** `query` of a client, a pool or a transaction: a method of that name whose first argument is a text. */
function isQuery(checker: ts.TypeChecker, { expression, arguments: [text] }: ts.CallExpression): boolean {
  if (!ts.isPropertyAccessExpression(expression) || expression.name.text !== 'query' || !text) return false;
  return checker.isTypeAssignableTo(checker.getTypeAtLocation(text), checker.getStringType());
}

export type FunctionNode = ts.FunctionDeclaration | ts.FunctionExpression | ts.ArrowFunction | ts.MethodDeclaration;

export function isFunctionNode(node: ts.Node): node is FunctionNode {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isArrowFunction(node) ||
    ts.isMethodDeclaration(node)
  );
}

/** The function that a name calls: also one that a constant holds, and one that came through an import. */
export function calledFunction(checker: ts.TypeChecker, callee: ts.Expression): FunctionNode | undefined {
  const name = ts.isPropertyAccessExpression(callee) ? callee.name : callee;
  if (!ts.isIdentifier(name)) return undefined;
  const declaration = declarationOf(checker, name);
  if (!declaration) return undefined;
  if (isFunctionNode(declaration)) return declaration;
  const held = ts.isVariableDeclaration(declaration) ? declaration.initializer : undefined;
  return held && isFunctionNode(held) ? held : undefined;
}

/** Where a name was declared. */
export function declarationOf(checker: ts.TypeChecker, name: ts.Identifier): ts.Declaration | undefined {
  let symbol = checker.getSymbolAtLocation(name);
  if (symbol && (symbol.flags & ts.SymbolFlags.Alias) !== 0) symbol = checker.getAliasedSymbol(symbol);
  return symbol?.valueDeclaration ?? symbol?.declarations?.[0];
}

/** The function whose body a node is in. */
export function enclosingFunction(node: ts.Node): FunctionNode | undefined {
  for (let at = node.parent; !ts.isSourceFile(at); at = at.parent) if (isFunctionNode(at)) return at;
  return undefined;
}

/** `BEGIN`, `COPY`, `ALTER`: nothing to describe, and PostgreSQL takes no parameters in them. */
export function isWithoutRows({ arguments: [text] }: ts.CallExpression): boolean {
  const start =
    text && (ts.isStringLiteralLike(text) ? text.text : ts.isTemplateExpression(text) ? text.head.text : '');
  return start !== undefined && /^\s*[A-Z]+\b/i.test(start) && !/^\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b/i.test(start);
}
