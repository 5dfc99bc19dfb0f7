import { FIELD_FORMS, operatorFault, readSelector, readValue } from './filter-fields.js';
import { parse, SyntaxError as Fault } from './filter-grammar.js';
import { OPERATORS, valueOf, type FilterError, type FilterNode } from './filter-tree.js';

/**
 * About a page of text: longer lists of ids have a member of their own (`targets.deviceIds`). It also bounds the
 * values, at 2,000.
 */
export const MAX_FILTER_LENGTH = 4_096;
/** The parser calls itself for each parenthesis; a filter with more is not readable. */
export const MAX_FILTER_DEPTH = 32;
/** Each is a part of one SQL statement, and most are a look at an index. */
export const MAX_COMPARISONS = 64;

/** What the grammar cannot know (filter-grammar.peggy calls these by name). */
const RULES = {
  fields: Object.values(FIELD_FORMS),
  operators: OPERATORS,
  maxDepth: MAX_FILTER_DEPTH,
  maxComparisons: MAX_COMPARISONS,
  readSelector,
  operatorFault,
  readValue,
  valueOf,
};

/**
 * The filter language: RSQL (github.com/jirutka/rsql-parser) over the fields of a device (docs/contracts/rollouts.md,
 * "The plan"). `;` or `and` binds closer than `,` or `or`; `*` in a value stands for any characters. Total: whatever is
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
    return { filter: parse(text, { rules: RULES }) };
  } catch (error) {
    if (error instanceof Fault) return { error: { position: error.location.start.offset, message: error.message } };
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
