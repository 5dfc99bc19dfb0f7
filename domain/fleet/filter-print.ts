import { FIELD_FORMS } from './filter-fields.js';
import type { Comparison, FilterNode, Value } from './filter-tree.js';

/** A filter as text, one spelling for each: parsed again it is equal. */
export function printFilter(filter: FilterNode): string {
  if (filter.is === 'comparison') return `${selectorOf(filter)}${filter.op}${argumentsOf(filter)}`;
  return filter.of
    .map((part) =>
      part.is === 'comparison' || (filter.is === 'or' && part.is === 'and')
        ? printFilter(part)
        : `(${printFilter(part)})`,
    )
    .join(filter.is === 'and' ? ';' : ',');
}

function selectorOf({ field, key }: Comparison): string {
  return FIELD_FORMS[field].replace(/<\w+>/, () => key ?? '');
}

function argumentsOf({ op, values }: Comparison): string {
  const printed = values.map(printValue).join(',');
  return op === '=in=' || op === '=out=' ? `(${printed})` : printed;
}

function printValue(value: Value): string {
  const parts = typeof value === 'string' ? [value] : value;
  const plain = parts.every((part) => /^[^"'();,=!~<>\s\\*]*$/u.test(part)) && parts.join('*') !== '';
  return plain ? parts.join('*') : `"${parts.map((part) => part.replaceAll(/["\\*]/g, '\\$&')).join('*')}"`;
}
