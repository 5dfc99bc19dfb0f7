import ts from 'typescript';
import {
  calledFunction,
  declarationOf,
  enclosingFunction,
  isFunctionNode,
  placeOf,
  visit,
  type FunctionNode,
  type Source,
} from './calls.js';

/** A number that only the running program knows: as `$n` it becomes NULL, elsewhere 1 (`finished`). */
const NUMBER = '\u0000';
const UNKNOWN = Symbol('known at run time only');

interface Closure {
  readonly node: FunctionNode;
  readonly scope: Scope;
}
/** What an expression is, as far as the text of a statement depends on it. */
type Value = string | number | boolean | undefined | typeof UNKNOWN | Value[] | Closure | ReadonlyMap<string, Value>;

/** Which parameter is what; looked up by its declaration, so that names cannot be confused. */
class Scope {
  private readonly bound = new Map<ts.Node, () => Value>();

  constructor(private readonly outer?: Scope) {}

  bind(declaration: ts.Node, value: () => Value): void {
    this.bound.set(declaration, value);
  }
  find(declaration: ts.Node): (() => Value) | undefined {
    return this.bound.get(declaration) ?? this.outer?.find(declaration);
  }
}

/** One text that a call may send. */
export interface Variant {
  readonly text: string;
  /** Calls, innermost first, from which parameters of the query's own function came. */
  readonly through: readonly ts.CallExpression[];
}

/** Conditions of others, which suites of their own run in every form: any of them fits here. */
const CONDITIONS: ReadonlySet<string> = new Set(['filterCondition', 'deviceCondition']);

/**
 * Every text that the first argument of a query may be. Constants, functions and `join`s are worked out; where the
 * program decides at run time (a condition that is there or not), each way is taken at least once.
 * @throws with the place and the expression, where a part of the text is not understood.
 */
export function variantsOf(source: Source, call: ts.CallExpression): Variant[] {
  const variants = new Map<string, Variant>();
  const tried = new Set<string>();
  const plans: { first: number; choices: ReadonlyMap<string, number> }[] = [
    { first: 0, choices: new Map() },
    { first: 1, choices: new Map() },
  ];
  for (let plan = plans.pop(); plan; plan = plans.pop()) {
    const id = JSON.stringify([plan.first, ...plan.choices]);
    if (tried.has(id)) continue;
    tried.add(id);
    const run = new Run(source, plan.first, plan.choices);
    const text = finished(run.text(call.arguments[0]!, new Scope()));
    const through = [...run.entered.values()];
    variants.set(JSON.stringify([text, through.map(placeOf)]), { text, through });
    // From all the ways that this run met, go each other way, one at a time.
    if (plan.choices.size > 0) continue;
    for (const [key, ways] of run.met)
      for (let way = 0; way < ways; way += 1) plans.push({ first: plan.first, choices: new Map([[key, way]]) });
  }
  return [...variants.values()];
}

function finished(text: string): string {
  return text.replaceAll(`$${NUMBER}`, 'NULL').replaceAll(NUMBER, '1');
}

class Run {
  /** The places where the text may go several ways, and how many. */
  readonly met = new Map<string, number>();
  /** By function: the caller that was asked what its parameters are. */
  readonly entered = new Map<ts.Node, ts.CallExpression>();

  constructor(
    private readonly source: Source,
    private readonly first: number,
    private readonly choices: ReadonlyMap<string, number>,
  ) {}

  text(node: ts.Expression, scope: Scope): string {
    if (ts.isTemplateExpression(node)) return filled(node, (part) => this.text(part, scope));
    const text = this.partOfText(node, scope);
    if (text !== undefined) return text;
    throw new Error(`${placeOf(node)}: what \`${node.getText()}\` adds to a statement is not understood`);
  }

  /** @returns undefined where it is not understood. */
  private partOfText(node: ts.Expression, scope: Scope): string | undefined {
    const value = this.value(node, scope);
    if (typeof value === 'string' || typeof value === 'number') return String(value);
    const type = this.source.checker.getTypeAtLocation(node);
    return value === UNKNOWN && (type.flags & ts.TypeFlags.NumberLike) !== 0 ? NUMBER : undefined;
  }

  /** One of `ways`: the same one for the same place within a run. */
  private choose(node: ts.Node, ways: number, also = ''): number {
    const key = `${placeOf(node)}:${node.pos}${also}`;
    this.met.set(key, ways);
    return this.choices.get(key) ?? Math.min(this.first, ways - 1);
  }

  private value(node: ts.Expression, scope: Scope): Value {
    if (ts.isStringLiteralLike(node)) return node.text;
    if (ts.isNumericLiteral(node)) return Number(node.text);
    if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
    if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
    if (ts.isTemplateExpression(node)) {
      let isUnknown = false;
      const text = filled(node, (part) => {
        const known = this.partOfText(part, scope);
        isUnknown ||= known === undefined;
        return known ?? '';
      });
      return isUnknown ? UNKNOWN : text;
    }
    if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node))
      return this.value(node.expression, scope);
    if (ts.isNonNullExpression(node) || ts.isAwaitExpression(node)) return this.value(node.expression, scope);
    if (isFunctionNode(node)) return { node, scope };
    if (ts.isIdentifier(node)) return this.named(node, scope);
    if (ts.isConditionalExpression(node)) {
      const known = this.value(node.condition, scope);
      const isTrue = typeof known === 'boolean' ? known : this.choose(node.condition, 2) === 0;
      return this.value(isTrue ? node.whenTrue : node.whenFalse, scope);
    }
    if (ts.isArrayLiteralExpression(node)) return this.elements(node, scope);
    if (ts.isObjectLiteralExpression(node)) return this.object(node, scope);
    if (ts.isPropertyAccessExpression(node)) return this.property(node, scope);
    if (ts.isElementAccessExpression(node)) {
      const of = this.value(node.expression, scope);
      const at = this.value(node.argumentExpression, scope);
      if (Array.isArray(of) && typeof at === 'number') return of[at];
      if (of instanceof Map && typeof at === 'string') return of.get(at) as Value;
      if (of instanceof Map && of.size > 0) return [...of.values()][this.choose(node, of.size)] as Value;
      return UNKNOWN;
    }
    if (ts.isBinaryExpression(node)) return this.binary(node, scope);
    if (ts.isCallExpression(node)) return this.call(node, scope);
    return UNKNOWN;
  }

  private binary(node: ts.BinaryExpression, scope: Scope): Value {
    if (node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
      const [left, right] = [this.value(node.left, scope), this.value(node.right, scope)];
      if (typeof left === 'number' && typeof right === 'number') return left + right;
      return typeof left === 'string' && typeof right === 'string' ? left + right : UNKNOWN;
    }
    if (node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
      const left = this.value(node.left, scope);
      return left === undefined || (left === UNKNOWN && this.choose(node, 2) === 1)
        ? this.value(node.right, scope)
        : left;
    }
    const equal = node.operatorToken.kind === ts.SyntaxKind.EqualsEqualsEqualsToken;
    if (!equal && node.operatorToken.kind !== ts.SyntaxKind.ExclamationEqualsEqualsToken) return UNKNOWN;
    const [left, right] = [this.value(node.left, scope), this.value(node.right, scope)];
    return typeof left === 'string' && typeof right === 'string' ? (left === right) === equal : UNKNOWN;
  }

  private elements(node: ts.ArrayLiteralExpression, scope: Scope): Value[] {
    return node.elements.flatMap((element) => {
      if (!ts.isSpreadElement(element)) return [this.value(element, scope)];
      const spread = this.value(element.expression, scope);
      return Array.isArray(spread) ? spread : [UNKNOWN];
    });
  }

  private object(node: ts.ObjectLiteralExpression, scope: Scope): Value {
    const held = new Map<string, Value>();
    for (const one of node.properties) {
      if (ts.isPropertyAssignment(one)) held.set(nameOf(one.name), this.value(one.initializer, scope));
      else if (ts.isShorthandPropertyAssignment(one)) {
        const symbol = this.source.checker.getShorthandAssignmentValueSymbol(one);
        const declaration = symbol?.valueDeclaration;
        held.set(one.name.text, declaration ? this.declared(declaration, one, scope) : UNKNOWN);
      }
    }
    return held;
  }

  private property(node: ts.PropertyAccessExpression, scope: Scope): Value {
    const of = this.value(node.expression, scope);
    return of instanceof Map ? (of.get(node.name.text) as Value) : UNKNOWN;
  }

  private named(node: ts.Identifier, scope: Scope): Value {
    if (node.text === 'undefined') return undefined;
    const declaration = declarationOf(this.source.checker, node);
    return declaration ? this.declared(declaration, node, scope) : UNKNOWN;
  }

  /** What a name stands for at the place where it is used. */
  private declared(declaration: ts.Declaration, use: ts.Node, scope: Scope): Value {
    const bound = scope.find(declaration);
    if (bound) return bound();
    if (ts.isFunctionDeclaration(declaration)) return { node: declaration, scope };
    if (ts.isVariableDeclaration(declaration)) return this.variable(declaration, use, scope);
    if (ts.isBindingElement(declaration)) return this.destructured(declaration, use, scope);
    if (ts.isParameter(declaration)) return this.parameter(declaration, scope);
    return UNKNOWN;
  }

  private destructured(element: ts.BindingElement, use: ts.Node, scope: Scope): Value {
    const pattern = element.parent;
    const owner = pattern.parent;
    let of: Value = UNKNOWN;
    if (ts.isVariableDeclaration(owner) && owner.initializer) of = this.value(owner.initializer, scope);
    else if (ts.isVariableDeclaration(owner)) of = this.variable(owner, use, scope);
    else if (ts.isParameter(owner)) of = this.parameter(owner, scope);
    const found = partOf(element, of);
    return found === undefined && element.initializer ? this.value(element.initializer, scope) : found;
  }

  /** Of a function that is not inlined, as one of its callers gives it. */
  private parameter(parameter: ts.ParameterDeclaration, scope: Scope): Value {
    const bound = scope.find(parameter);
    if (bound) return bound();
    const within = parameter.parent;
    const callers = this.source.callersOf.get(within) ?? [];
    if (callers.length === 0 || !isFunctionNode(within)) return UNKNOWN;
    const caller = callers[this.choose(within, callers.length)]!;
    this.entered.set(within, caller);
    this.bindArguments(within, caller.arguments, scope, scope);
    return scope.find(parameter)?.() ?? UNKNOWN;
  }

  private bindArguments(node: FunctionNode, given: readonly ts.Expression[], of: Scope, into: Scope): void {
    node.parameters.forEach((parameter, index) => {
      const argument = given[index];
      into.bind(parameter, () => {
        if (argument) return this.value(argument, of);
        return parameter.initializer ? this.value(parameter.initializer, into) : undefined;
      });
    });
  }

  /** A constant, or a variable that was added to: by `push`, or by `+=`, on the way to where it is used. */
  private variable(declaration: ts.VariableDeclaration, use: ts.Node, scope: Scope): Value {
    const loop = declaration.parent.parent;
    if (ts.isForOfStatement(loop)) {
      const each = this.value(loop.expression, scope);
      return Array.isArray(each) && each.length > 0 ? each[this.choose(loop, each.length)] : UNKNOWN;
    }
    if (!declaration.initializer) return UNKNOWN;
    let value = this.value(declaration.initializer, scope);
    const within = enclosingFunction(declaration);
    if (!within || (!Array.isArray(value) && typeof value !== 'string')) return value;
    const { checker } = this.source;
    visit(within, (node) => {
      if (node.end > use.pos) return;
      const isOf = (name: ts.Node) => ts.isIdentifier(name) && declarationOf(checker, name) === declaration;
      if (ts.isCallExpression(node) && Array.isArray(value)) {
        const { expression: callee } = node;
        if (ts.isPropertyAccessExpression(callee) && callee.name.text === 'push' && isOf(callee.expression))
          value = [...value, ...this.added(node, within, scope, node.arguments)];
      }
      if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusEqualsToken && isOf(node.left))
        value = joined([value, ...this.added(node, within, scope, [node.right])]);
    });
    return value;
  }

  /** What an addition gives: nothing where it stands behind a condition that does not hold, more where it is called. */
  private added(node: ts.Node, within: FunctionNode, scope: Scope, what: readonly ts.Expression[]): Value[] {
    const inner = enclosingFunction(node);
    if (inner && inner !== within) {
      return (this.source.callersOf.get(inner) ?? []).flatMap((caller) => {
        if (this.choose(node, 2, placeOf(caller)) === 1) return [];
        const own = new Scope(scope);
        this.bindArguments(inner, caller.arguments, scope, own);
        return what.map((one) => this.value(one, own));
      });
    }
    const isConditional = node.parent.parent !== within.body;
    return isConditional && this.choose(node, 2) === 1 ? [] : what.map((one) => this.value(one, scope));
  }

  private call(node: ts.CallExpression, scope: Scope): Value {
    const { expression: callee, arguments: given } = node;
    const name = ts.isPropertyAccessExpression(callee) ? callee.name.text : callee.getText();
    if (CONDITIONS.has(name)) return 'true';
    if (ts.isPropertyAccessExpression(callee)) {
      if (callee.expression.getText() === 'Object') return this.entries(name, given, scope);
      const of = this.value(callee.expression, scope);
      if (Array.isArray(of)) return this.method(of, name, given, scope);
      // As many as the program gets: one shows what each adds.
      if (of === UNKNOWN && name === 'map') return this.method([UNKNOWN], name, given, scope);
    }
    const called = this.value(callee, scope);
    const closure = isClosure(called) ? called : undefined;
    const target = closure?.node ?? calledFunction(this.source.checker, callee);
    if (!target?.body) return UNKNOWN;
    const own = new Scope(closure?.scope);
    this.bindArguments(target, given, scope, own);
    return this.result(target, own);
  }

  private entries(name: string, [of]: readonly ts.Expression[], scope: Scope): Value {
    const value = of && this.value(of, scope);
    if (!(value instanceof Map)) return UNKNOWN;
    const entries = [...value] as [string, Value][];
    if (name === 'keys') return entries.map(([key]) => key);
    if (name === 'values') return entries.map(([, one]) => one);
    return name === 'entries' ? entries : UNKNOWN;
  }

  private method(of: Value[], name: string, given: readonly ts.Expression[], scope: Scope): Value {
    const apply = (...values: Value[]) => {
      const closure = this.value(given[0]!, scope);
      if (!isClosure(closure)) return UNKNOWN;
      const own = new Scope(closure.scope);
      closure.node.parameters.forEach((parameter, index) => own.bind(parameter, () => values[index]));
      return this.result(closure.node, own);
    };
    if (name === 'map') return of.map((one, index) => apply(one, index));
    if (name === 'filter') return of.filter((one, index) => apply(one, index) !== false);
    if (name === 'join' && of.every((one) => typeof one === 'string'))
      return of.join(given[0] ? this.text(given[0], scope) : ',');
    return UNKNOWN;
  }

  /** What a function returns: its one expression, or the first `return` on the way that is taken. */
  private result(node: FunctionNode, scope: Scope): Value {
    const { body } = node;
    if (!body) return UNKNOWN;
    return ts.isBlock(body) ? this.returned(body, scope)?.value : this.value(body, scope);
  }

  private returned(node: ts.Statement, scope: Scope): { value: Value } | undefined {
    if (ts.isReturnStatement(node)) return { value: node.expression ? this.value(node.expression, scope) : undefined };
    if (ts.isBlock(node)) {
      for (const statement of node.statements) {
        const found = this.returned(statement, scope);
        if (found) return found;
      }
    }
    if (ts.isIfStatement(node)) {
      const known = this.value(node.expression, scope);
      const isTrue = typeof known === 'boolean' ? known : this.choose(node.expression, 2) === 0;
      if (isTrue) return this.returned(node.thenStatement, scope);
      return node.elseStatement && this.returned(node.elseStatement, scope);
    }
    return undefined;
  }
}

function filled(node: ts.TemplateExpression, part: (node: ts.Expression) => string): string {
  return node.head.text + node.templateSpans.map((span) => part(span.expression) + span.literal.text).join('');
}

function joined(parts: readonly Value[]): Value {
  return parts.every((one) => typeof one === 'string') ? parts.join('') : UNKNOWN;
}

function isClosure(value: Value): value is Closure {
  return typeof value === 'object' && !Array.isArray(value) && 'node' in value;
}

function nameOf(name: ts.PropertyName): string {
  return ts.isStringLiteralLike(name) || ts.isIdentifier(name) ? name.text : name.getText();
}

/** The part of a value that one name of a pattern takes. */
function partOf(element: ts.BindingElement, of: Value): Value {
  const { parent: pattern } = element;
  if (ts.isArrayBindingPattern(pattern)) return Array.isArray(of) ? of[pattern.elements.indexOf(element)] : UNKNOWN;
  if (!(of instanceof Map)) return UNKNOWN;
  const name = element.propertyName ?? element.name;
  return of.get(name.getText()) as Value;
}
