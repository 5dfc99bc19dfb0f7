import { OPERATORS, type FilterError, type Operator, type Value } from './filter-tree.js';

/** Ends the reading of a filter; never leaves parseFilter. */
export class FilterFault extends Error {
  override readonly name = 'FilterFault';

  constructor(readonly error: FilterError) {
    super(error.message);
  }
}

/**
 * What RSQL reserves, and white space: such characters stand in a value only between quotes, and in a field's name
 * never.
 */
const PLAIN = /[^"'();,=!~<>\s]/u;
const SPELLED: Readonly<Record<string, Operator>> = {
  '>': '=gt=',
  '>=': '=ge=',
  '<': '=lt=',
  '<=': '=le=',
  ...Object.fromEntries(OPERATORS.map((op) => [op, op])),
};

/**
 * Reads a filter from left to right. White space between tokens says nothing. Positions are 0-based UTF-16 units, as an
 * editor counts.
 */
export class Scanner {
  position = 0;

  constructor(private readonly text: string) {}

  fail(message: string, position = this.position): never {
    throw new FilterFault({ position, message });
  }

  /** "…, and not what stands there". */
  expected(what: string, position = this.position): never {
    const found = this.text.slice(position).match(/^(?:[^"'();,=!~<>\s]{1,20}|.)/su)?.[0];
    this.fail(
      `expected ${what}, ${found === undefined ? 'but the filter ends here' : `and not ${JSON.stringify(found)}`}`,
      position,
    );
  }

  skipSpace(): void {
    while (/\s/.test(this.text[this.position] ?? '')) this.position += 1;
  }

  atEnd(): boolean {
    this.skipSpace();
    return this.position >= this.text.length;
  }

  /**
   * Takes the symbol, or the word that means the same, where it stands next. A word needs a space or a parenthesis
   * around it.
   */
  takes(symbol: string, word?: string): boolean {
    this.skipSpace();
    if (this.text[this.position] === symbol) {
      this.position += 1;
      return true;
    }
    const after = this.text[this.position + (word?.length ?? 0)] ?? ' ';
    if (word === undefined || !this.text.startsWith(word, this.position) || PLAIN.test(after)) return false;
    this.position += word.length;
    return true;
  }

  selector(): { text: string; at: number } {
    this.skipSpace();
    const at = this.position;
    const text = this.plain();
    if (text === '') this.expected('the name of a field or "("');
    return { text, at };
  }

  operator(field: string): { op: Operator; at: number } {
    this.skipSpace();
    const at = this.position;
    const spelled = /^(?:=[a-zA-Z]*=|!=|[<>]=?|[=!~]+)/.exec(this.text.slice(at))?.[0];
    if (spelled === undefined) this.expected(`a comparison of ${field}, such as ${field}==…`);
    const op = Object.hasOwn(SPELLED, spelled) ? SPELLED[spelled] : undefined;
    if (op === undefined) this.fail(`"${spelled}" is no comparison; there are ${OPERATORS.join(' ')} > >= < <=`);
    this.position += spelled.length;
    return { op, at };
  }

  /**
   * One value: plain, or between quotes, where a backslash takes the special meaning of the next character (\* is a
   * star).
   */
  value(): { value: Value; at: number } {
    this.skipSpace();
    const at = this.position;
    const quote = this.text[at];
    if (quote === '"' || quote === "'") return { value: this.quoted(quote), at };
    const text = this.plain();
    if (text === '') this.expected('a value; one with spaces or any of "\'();,=!~<> stands between quotes');
    return { value: wildcards(text), at };
  }

  private plain(): string {
    const start = this.position;
    for (
      let next = this.text.codePointAt(start);
      next !== undefined && PLAIN.test(String.fromCodePoint(next));
      next = this.text.codePointAt(this.position)
    ) {
      this.position += next > 0xffff ? 2 : 1;
    }
    return this.text.slice(start, this.position);
  }

  private quoted(quote: string): Value {
    const start = this.position;
    const parts = [''];
    for (this.position += 1; this.position < this.text.length; this.position += 1) {
      const character = this.text[this.position]!;
      if (character === quote) {
        this.position += 1;
        return valueOf(parts);
      }
      const escaped = character === '\\' && this.position + 1 < this.text.length;
      if (escaped) this.position += 1;
      if (character === '*') parts.push('');
      else parts[parts.length - 1] += escaped ? this.text[this.position]! : character;
    }
    return this.fail(`the quote that begins here is not closed; expected ${quote} before the end`, start);
  }
}

/** A text in which every star stands for any characters. */
export function wildcards(text: string): Value {
  return valueOf(text.split('*'));
}

/** Stars beside each other say what one says. */
function valueOf(parts: readonly string[]): Value {
  const distinct = parts.filter((part, index) => part !== '' || index === 0 || index === parts.length - 1);
  return distinct.length === 1 ? distinct[0]! : distinct;
}
