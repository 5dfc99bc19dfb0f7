import fc from 'fast-check';
import type { Comparison, FilterNode, Operator, Value } from '../../domain/fleet/filter-tree.js';

/** What the comparisons are about: few values each, so that some devices have them. */
export interface Vocabulary {
  readonly ids: readonly string[];
  readonly gateways: readonly string[];
  readonly names: readonly string[];
  readonly types: readonly string[];
  readonly tags: readonly string[];
  readonly sites: readonly string[];
  readonly keys: readonly string[];
  readonly attributes: readonly string[];
  readonly slots: readonly string[];
  readonly versions: readonly string[];
  readonly times: readonly string[];
}

const ODD = [
  '',
  'a b',
  'x;y,z',
  '(',
  '"',
  "'",
  'back\\slash',
  '5* hotel',
  'ä😀',
  'and',
  '100%',
  'a_b',
  '\u{10ffff}',
  '\ud7ff',
];

export const ANY: Vocabulary = {
  ids: ['0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d01', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  gateways: ['0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d02'],
  names: ODD,
  types: ODD,
  tags: ODD,
  sites: ODD,
  keys: ['floor', 'rack.row-2', 'ä', 'site'],
  attributes: ODD,
  slots: ['firmware', 'boot_loader'],
  versions: ['1', '1.4.0', 'v2.0.0-rc.1', '1.0.0+build'],
  times: ['2026-11-24T10:00:00.000Z', '1970-01-01T00:00:00.001Z'],
};

const EQUALITY: Operator[] = ['==', '!=', '=in=', '=out='];
const ORDER: Operator[] = ['=gt=', '=ge=', '=lt=', '=le='];

/** Filters whose fields, operators and values fit each other, as `parseFilter` makes them. */
export function filterTree(words: Vocabulary = ANY): fc.Arbitrary<FilterNode> {
  return fc.letrec<{ node: FilterNode; chain: FilterNode; comparison: Comparison }>((tie) => ({
    node: fc.oneof({ maxDepth: 4, withCrossShrink: true }, tie('comparison'), tie('chain')),
    chain: fc.record({
      is: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('node'), { minLength: 2, maxLength: 4, depthIdentifier: 'filter' }),
    }),
    comparison: comparison(words),
  })).node;
}

function comparison(words: Vocabulary): fc.Arbitrary<Comparison> {
  const exact = (values: readonly string[]) => fc.constantFrom(...values);
  const equality = (
    field: Comparison['field'],
    value: fc.Arbitrary<Value>,
    key: fc.Arbitrary<string | null> = fc.constant(null),
  ) =>
    fc
      .constantFrom(...EQUALITY)
      .chain((op) => compared(field, fc.constant(op), value, key, op === '=in=' || op === '=out=' ? 3 : 1));
  const text = (values: readonly string[]) =>
    fc.oneof({ weight: 3, arbitrary: exact(values) }, { weight: 2, arbitrary: pattern(values) });
  const star = fc.constant<Value>(['', '']);
  return fc.oneof(
    equality('id', fc.oneof({ weight: 4, arbitrary: exact(words.ids) }, star)),
    equality('name', text(words.names)),
    equality('deviceType', text(words.types)),
    equality('tag', text(words.tags)),
    equality('connectedBy', fc.oneof(exact(words.gateways), star)),
    equality('site', text(words.sites)),
    equality('attribute', text(words.attributes), exact(words.keys)),
    compared('attribute', fc.constantFrom(...ORDER), exact(['3', '-1', '3.5', '30', '1000000']), exact(words.keys)),
    equality('deviceTypeName', text(['type', 'Type', 'ty'])),
    compared('createdAt', fc.constantFrom(...ORDER), exact(words.times)),
    equality('slot', text(words.versions), exact(words.slots)),
    compared('slot', fc.constantFrom(...ORDER), exact(words.versions), exact(words.slots)),
    compared('online', fc.constantFrom('==', '!='), fc.constantFrom('true', 'false')),
    compared('lastSeenAt', fc.constantFrom(...ORDER), exact(words.times)),
    compared('lastSeenAt', fc.constantFrom('==', '!='), star),
  );
}

function compared(
  field: Comparison['field'],
  op: fc.Arbitrary<Operator>,
  value: fc.Arbitrary<Value>,
  key: fc.Arbitrary<string | null> = fc.constant(null),
  most = 1,
): fc.Arbitrary<Comparison> {
  return fc.record({
    is: fc.constant('comparison' as const),
    field: fc.constant(field),
    key,
    op,
    values: fc.array(value, { minLength: 1, maxLength: most }),
  });
}

/** Pieces of the values with stars between: beginnings, ends and middles that occur. */
function pattern(values: readonly string[]): fc.Arbitrary<Value> {
  return fc
    .tuple(fc.constantFrom(...values), fc.nat(6), fc.nat(6), fc.constantFrom('start', 'end', 'middle', 'both', 'any'))
    .map(([value, from, to, where]) => {
      const letters = [...value];
      const [head, tail] = [letters.slice(0, from).join(''), letters.slice(Math.max(0, letters.length - to)).join('')];
      if (where === 'any') return ['', ''];
      if (where === 'start') return [head, ''];
      if (where === 'end') return ['', tail];
      const middle = letters.slice(1, 1 + to).join('');
      return where === 'middle' ? (middle === '' ? ['', ''] : ['', middle, '']) : [head, tail];
    });
}
