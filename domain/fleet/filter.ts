import { FIELD_FORMS, operatorFault, readSelector, readValue } from './filter-fields.js';
import type { Comparison, FieldName, FilterError, FilterNode, Operator, Value } from './filter-tree.js';
import { FilterFault, Scanner } from './filter-scanner.js';

/**
 * About a page of text: longer lists of ids have a member of their own (`targets.deviceIds`). It also bounds the
 * values, at 2,000.
 */
export const MAX_FILTER_LENGTH = 4_096;
/** The parser calls itself for each parenthesis; nobody reads a filter with more. */
export const MAX_FILTER_DEPTH = 32;
/** Each is a part of one SQL statement, and most are a look at an index. */
export const MAX_COMPARISONS = 64;

/**
 * The filter language: RSQL (github.com/jirutka/rsql-parser) over the fields of a device (specs/rollouts.md, "The
 * plan"). `;` or `and` binds closer than `,` or `or`; `*` in a value stands for any characters. Total: whatever is
 * given, the answer is a filter whose fields, operators and values fit each other, or the first place where it does
 * not, with what was expected there.
 */
export function parseFilter(text: string): { filter: FilterNode } | { error: FilterError } {
  if (text.length > MAX_FILTER_LENGTH)
    return {
      error: {
        position: MAX_FILTER_LENGTH,
        message: `a filter has at most ${MAX_FILTER_LENGTH} characters, and this one has ${text.length}`,
      },
    };
  const nul = text.indexOf('\0');
  if (nul >= 0) return { error: { position: nul, message: 'a NUL character is not accepted' } };
  try {
    return { filter: new Parser(text).parse() };
  } catch (error) {
    if (error instanceof FilterFault) return { error: error.error };
    throw error;
  }
}

/** What is wrong with a filter, as a fault of whatever holds it; undefined where nothing is. */
export function filterFault(text: string): { detail: string; position: number } | undefined {
  const parsed = parseFilter(text);
  return 'error' in parsed
    ? {
        detail: `does not parse at position ${parsed.error.position}: ${parsed.error.message}`,
        position: parsed.error.position,
      }
    : undefined;
}

class Parser {
  private readonly scanner: Scanner;
  private depth = 0;
  private comparisons = 0;

  constructor(text: string) {
    this.scanner = new Scanner(text);
  }

  parse(): FilterNode {
    const filter = this.alternatives();
    if (!this.scanner.atEnd()) this.scanner.expected('";", "," or the end');
    return filter;
  }

  private alternatives(): FilterNode {
    return this.chain(
      'or',
      () => this.scanner.takes(',', 'or'),
      () =>
        this.chain(
          'and',
          () => this.scanner.takes(';', 'and'),
          () => this.constraint(),
        ),
    );
  }

  private chain(is: 'and' | 'or', more: () => boolean, next: () => FilterNode): FilterNode {
    const of = [next()];
    while (more()) of.push(next());
    return of.length === 1 ? of[0]! : { is, of };
  }

  private constraint(): FilterNode {
    this.scanner.skipSpace();
    const open = this.scanner.position;
    if (!this.scanner.takes('(')) return this.comparison();
    if (this.depth >= MAX_FILTER_DEPTH) this.scanner.fail(`parentheses stand at most ${MAX_FILTER_DEPTH} deep`, open);
    this.depth += 1;
    const inner = this.alternatives();
    if (!this.scanner.takes(')')) this.scanner.expected(`";", "," or the ")" of the "(" at ${open}`);
    this.depth -= 1;
    return inner;
  }

  private comparison(): Comparison {
    const { text, at } = this.scanner.selector();
    const selected = readSelector(text);
    if (!selected)
      this.scanner.fail(`${JSON.stringify(text)} is no field; there are ${Object.values(FIELD_FORMS).join(', ')}`, at);
    this.comparisons += 1;
    if (this.comparisons > MAX_COMPARISONS)
      this.scanner.fail(
        `a filter compares at most ${MAX_COMPARISONS} times; =in=(…) compares with many values at once`,
        at,
      );
    const { op, at: opAt } = this.scanner.operator(text);
    const fault = operatorFault(selected.field, op);
    if (fault !== undefined) this.scanner.fail(fault, opAt);
    return {
      is: 'comparison',
      ...selected,
      op,
      values: op === '=in=' || op === '=out=' ? this.list(selected.field, op) : [this.value(selected.field, op)],
    };
  }

  private list(field: FieldName, op: Operator): Value[] {
    if (!this.scanner.takes('(')) this.scanner.expected(`"(": ${op} takes a list, such as ${op}(a,b)`);
    const values = [this.value(field, op)];
    while (this.scanner.takes(',')) values.push(this.value(field, op));
    if (!this.scanner.takes(')')) this.scanner.expected('"," or ")" after a value of the list');
    return values;
  }

  private value(field: FieldName, op: Operator): Value {
    const { value, at } = this.scanner.value();
    const read = readValue(field, op, value);
    return 'fault' in read ? this.scanner.fail(read.fault, at) : read.value;
  }
}
