import ts from 'typescript';
import { calledFunction, type QueryCall, type Source } from './calls.js';
import { outerJoined, type Column } from './describe.js';
import type { Variant } from './evaluate.js';

/** What node-postgres gives for a type, by its name in pg_type. */
const READ_AS: Readonly<Record<string, 'string' | 'number' | 'boolean' | 'Date' | 'Buffer' | 'json'>> = {
  bool: 'boolean',
  bytea: 'Buffer',
  float4: 'number',
  float8: 'number',
  int2: 'number',
  int4: 'number',
  // More than a double holds exactly: they come as text.
  int8: 'string',
  numeric: 'string',
  json: 'json',
  jsonb: 'json',
  name: 'string',
  oid: 'number',
  text: 'string',
  timestamp: 'Date',
  timestamptz: 'Date',
  uuid: 'string',
  varchar: 'string',
};

/** A property that says less than its column may hold names the reason in this tag of its docstring. */
const NARROWED = 'narrowed';

/** Where the row type of a call says something else than PostgreSQL does. One sentence each; none where they agree. */
export function compare({ checker }: Source, call: QueryCall, variant: Variant, columns: readonly Column[]): string[] {
  const row = rowTypeOf(checker, call.node);
  if (!row) return ['its row type is not understood'];
  if (columns.length === 0) return [];
  // A client outside of a transaction says so by itself; what reads such rows fails lint (no-unsafe-member-access).
  if ((row.flags & ts.TypeFlags.Any) !== 0) return [];
  const outer = outerJoined(variant.text);
  return propertiesOf(checker, row, variant).flatMap((property) => {
    const column = columns.find(({ name }) => name === property.name);
    if (!column) return [`there is no column "${property.name}"`];
    return compareOne(checker, call.node, property, column, column.base && outer.get(column.base.table));
  });
}

function compareOne(
  checker: ts.TypeChecker,
  at: ts.Node,
  property: ts.Symbol,
  { name, type, base }: Column,
  outer: 'always' | 'sometimes' | undefined,
): string[] {
  const declared = checker.getTypeOfSymbolAtLocation(property, at);
  const said = checker.typeToString(declared);
  if ((declared.flags & ts.TypeFlags.Any) !== 0) return [`"${name}" is of the type any`];
  const plain = checker.getNonNullableType(declared);
  if (!isReadAs(checker, plain, type)) return [`"${name}" is ${type}, not ${said}`];
  if (property.getJsDocTags(checker).some((tag) => tag.name === NARROWED)) return [];
  const faults = missingValues(plain, base?.values).map((value) => `"${name}" can be '${value}', which ${said} lacks`);
  const admitsNull = plain !== declared || (declared.flags & ts.TypeFlags.Unknown) !== 0;
  const isNeverNull = base?.isNotNull === true && outer === undefined;
  const canBeNull = base !== undefined && (outer === 'always' || !base.isNotNull);
  if (canBeNull && !admitsNull) faults.push(`"${name}" can be null, which ${said} lacks`);
  if (isNeverNull && plain !== declared) faults.push(`"${name}" is never null, but is ${said}`);
  return faults;
}

function isReadAs(checker: ts.TypeChecker, declared: ts.Type, type: string): boolean {
  if (type.startsWith('_')) {
    const [element] = checker.isArrayType(declared) ? checker.getTypeArguments(declared as ts.TypeReference) : [];
    return element !== undefined && isReadAs(checker, element, type.slice(1));
  }
  const read = READ_AS[type];
  switch (read) {
    case 'string':
      return checker.isTypeAssignableTo(declared, checker.getStringType());
    case 'number':
      return checker.isTypeAssignableTo(declared, checker.getNumberType());
    case 'boolean':
      return checker.isTypeAssignableTo(declared, checker.getBooleanType());
    case 'Date':
    case 'Buffer':
      return declared.symbol?.name === read;
    case 'json':
      return !isPlain(declared) && !['Date', 'Buffer'].includes(declared.symbol?.name ?? '');
    default:
      return false;
  }
}

function isPlain(type: ts.Type): boolean {
  return (type.flags & (ts.TypeFlags.StringLike | ts.TypeFlags.NumberLike | ts.TypeFlags.BooleanLike)) !== 0;
}

/** Values that a CHECK lets in and a union of texts does not name. */
function missingValues(declared: ts.Type, values: readonly string[] | undefined): string[] {
  const members = declared.isUnion() ? declared.types : [declared];
  if (!values || !members.every((one) => one.isStringLiteral())) return [];
  return values.filter((value) => !members.some((one) => one.isStringLiteral() && one.value === value));
}

/** R of the Promise<QueryResult<R>> that a query answers. */
function rowTypeOf(checker: ts.TypeChecker, call: ts.CallExpression): ts.Type | undefined {
  const promise = checker.getTypeAtLocation(call) as ts.TypeReference;
  const [result] = checker.getTypeArguments(promise);
  return result && checker.getTypeArguments(result as ts.TypeReference)[0];
}

/** Where the row is a parameter of the function's own type, the caller says which. */
function propertiesOf(checker: ts.TypeChecker, row: ts.Type, { through }: Variant): ts.Symbol[] {
  const parts = row.isIntersection() ? row.types : [row];
  return parts.flatMap((part) => {
    if (!part.isTypeParameter()) return checker.getPropertiesOfType(part);
    const declaration = part.symbol.declarations?.[0];
    for (const caller of through) {
      const called = calledFunction(checker, caller.expression);
      const nth = called?.typeParameters?.findIndex((one) => one === declaration) ?? -1;
      const given = nth < 0 ? undefined : caller.typeArguments?.[nth];
      if (given) return propertiesOf(checker, checker.getTypeFromTypeNode(given), { text: '', through });
    }
    throw new Error(`the caller does not say what ${part.symbol.name} is`);
  });
}
