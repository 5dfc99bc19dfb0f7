/** `>` is another spelling of `=gt=`, and so on. */
export const OPERATORS = ['==', '!=', '=in=', '=out=', '=gt=', '=ge=', '=lt=', '=le='] as const;
export type Operator = (typeof OPERATORS)[number];

export const FIELD_NAMES = [
  'id',
  'name',
  'deviceType',
  'tag',
  'connectedBy',
  'site',
  'attribute',
  'slot',
  'online',
  'lastSeenAt',
] as const;
export type FieldName = (typeof FIELD_NAMES)[number];

/**
 * A text, or the parts of one between which anything may stand: `a*c` is ["a", "c"], `a*` is ["a", ""], `*` is ["",
 * ""].
 */
export type Value = string | readonly string[];

/**
 * Stars beside each other say what one says.
 * @param read characters, and null for each star
 */
export function valueOf(read: readonly (string | null)[]): Value {
  const parts = [''];
  for (const character of read) {
    if (character !== null) parts[parts.length - 1] += character;
    else if (parts.length === 1 || parts.at(-1) !== '') parts.push('');
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : parts;
}

/** A text in which every star stands for any characters. */
export function wildcards(text: string): Value {
  return valueOf([...text].map((character) => (character === '*' ? null : character)));
}

/**
 * Plain, readonly, JSON-safe. `!=` and `=out=` match whatever `==` and `=in=` do not, also a device that has no such
 * value.
 */
export interface Comparison {
  readonly is: 'comparison';
  readonly field: FieldName;
  /** Of `attribute` its key, of `slot` its name. */
  readonly key: string | null;
  readonly op: Operator;
  /** One; of `=in=` and `=out=` one or more. */
  readonly values: readonly Value[];
}

export type FilterNode = Comparison | { readonly is: 'and' | 'or'; readonly of: readonly FilterNode[] };

export interface FilterError {
  /** 0-based, in the text as it was given. */
  readonly position: number;
  readonly message: string;
}
