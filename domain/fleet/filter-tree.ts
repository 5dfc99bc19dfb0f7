/** `>` is another spelling of `=gt=`, and so on. */
export const OPERATORS = ['==', '!=', '=in=', '=out=', '=gt=', '=ge=', '=lt=', '=le='] as const;
/** An operator as the tree holds it; other spellings are gone once the text was read. */
export type Operator = (typeof OPERATORS)[number];

/** What a filter may ask of a device (docs/filters.md); `attribute` and `slot` take a key after a dot. */
export const FIELD_NAMES = [
  'id',
  'name',
  'deviceType',
  'deviceTypeName',
  'tag',
  'connectedBy',
  'site',
  'attribute',
  'slot',
  'online',
  'lastSeenAt',
  'createdAt',
] as const;
/** One of `FIELD_NAMES`, spelled exactly so. */
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

/** A node of a filter: a comparison, or `and`/`or` over two nodes or more. Plain and JSON-safe. */
export type FilterNode = Comparison | { readonly is: 'and' | 'or'; readonly of: readonly FilterNode[] };

/** Why a text is no filter: one fault, the first that was met. */
export interface FilterError {
  /** 0-based, in the text as it was given. */
  readonly position: number;
  readonly message: string;
}
