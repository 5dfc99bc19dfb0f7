import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MAX_COMPARISONS, MAX_FILTER_DEPTH, MAX_FILTER_LENGTH, parseFilter } from '../../domain/fleet/filter.js';
import { printFilter } from '../../domain/fleet/filter-print.js';
import { filterTree } from './filter-arbitrary.js';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2_147_483_647);
const RUN_AGAIN = `FUZZ_SEED=${SEED} npm test -- test/domain/filter`;
const ID = '0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d01';

function printed(text: string): string {
  const parsed = parseFilter(text);
  if ('error' in parsed) throw new Error(`${text}: ${parsed.error.message} at ${parsed.error.position}`);
  return printFilter(parsed.filter);
}

describe('a filter', () => {
  it('is a plain tree', () => {
    expect(parseFilter('deviceType==C3PO;tag=in=(store-17,lab*)')).toEqual({
      filter: {
        is: 'and',
        of: [
          { is: 'comparison', field: 'deviceType', key: null, op: '==', values: ['C3PO'] },
          { is: 'comparison', field: 'tag', key: null, op: '=in=', values: ['store-17', ['lab', '']] },
        ],
      },
    });
  });

  it.each([
    ['"and" binds closer than "or"', 'tag==a,tag==b;tag==c', 'tag==a,tag==b;tag==c'],
    ['parentheses bind closest', '(tag==a,tag==b);tag==c', '(tag==a,tag==b);tag==c'],
    ['parentheses that change nothing are nothing', '((tag==a);(((tag==b))))', 'tag==a;tag==b'],
    ['"and" and "or" are words too', 'tag==a and tag==b or tag==c', 'tag==a;tag==b,tag==c'],
    ['a word ends at a parenthesis', 'tag==a and(tag==b or(tag==c))', 'tag==a;(tag==b,tag==c)'],
    ['a value may begin like a word', 'tag==order;tag==android', 'tag==order;tag==android'],
    ['and be one', 'tag==and and tag==or', 'tag==and;tag==or'],
    ['white space between tokens says nothing', ' tag == a ;\n\ttag =in= ( a , b ) ', 'tag==a;tag=in=(a,b)'],
    [
      '> and its like are spelled in two ways',
      'lastSeenAt>2026-11-24T10:00:00Z;slot.firmware.version<=1.4.0',
      'lastSeenAt=gt=2026-11-24T10:00:00.000Z;slot.firmware.version=le=1.4.0',
    ],
    [
      'quotes of both kinds hold what is reserved',
      `name=="a (b), c; d'e" , name=='say "x"'`,
      `name=="a (b), c; d'e",name=="say \\"x\\""`,
    ],
    ['quotes may be empty', 'name==""', 'name==""'],
    ['a star is a wildcard in quotes too', 'name=="Switch *"', 'name=="Switch *"'],
    ['an escaped star is a star', 'name=="5\\* hotel"', 'name=="5\\* hotel"'],
    ['a backslash outside of quotes is one', 'name==a\\b', 'name=="a\\\\b"'],
    ['stars beside each other are one', 'name==a**b***', 'name==a*b*'],
    ['a star alone asks whether there is a value', 'custom.site!=*', 'custom.site!=*'],
    ['an older word for custom is understood', 'attribute.site==a', 'custom.site==a'],
    ['attributes are compared as numbers', 'custom.floor>=-1.5', 'custom.floor=ge=-1.5'],
    ['ids are compared in lower case', `id==${ID.toUpperCase()}`, `id==${ID}`],
    [
      'times are compared in UTC',
      'lastSeenAt=lt=2026-11-24T10:00:00.5+02:00',
      'lastSeenAt=lt=2026-11-24T08:00:00.500Z',
    ],
    ['a key of an attribute may hold dots, dashes and any letters', 'custom.rack.row-2.ä==1', 'custom.rack.row-2.ä==1'],
    ['values may hold any characters but the reserved', 'name==Zähler/7:é+😀', 'name==Zähler/7:é+😀'],
    [
      'every field can be asked for',
      `id!=${ID};name==a;deviceType==b;deviceType.name==x;tag==c;connectedBy==*;site==d;custom.e==f;slot.g.version==1;online==true;lastSeenAt==*;createdAt>2026-11-24T10:00:00Z`,
      `id!=${ID};name==a;deviceType==b;deviceType.name==x;tag==c;connectedBy==*;site==d;custom.e==f;slot.g.version==1;online==true;lastSeenAt==*;createdAt=gt=2026-11-24T10:00:00.000Z`,
    ],
  ])('%s', (_, text, print) => {
    expect(printed(text)).toBe(print);
  });
});

describe('a filter that does not parse says where, and what was expected there', () => {
  it.each<[string, number, RegExp]>([
    ['', 0, /expected the name of a field or "\(", but the filter ends here/],
    ['   ', 3, /but the filter ends here/],
    ['tag', 3, /expected a comparison of tag, such as tag==…, but the filter ends/],
    ['tag a', 4, /expected a comparison of tag.*not "a"/],
    ['tag=a', 3, /"=" is no comparison; there are ==/],
    ['tag===a', 5, /expected a value.*not "="/],
    ['tag=!=a', 3, /"=!=" is no comparison/],
    ['tag=~a', 3, /"=~" is no comparison/],
    ['tag=like=a', 3, /"=like=" is no comparison/],
    ['tag=IN=(a)', 3, /"=IN=" is no comparison/],
    ['tag~a', 3, /"~" is no comparison/],
    ['tag!a', 3, /expected a comparison|is no comparison/],
    ['tag==', 5, /expected a value.*ends here/],
    ['tag==;tag==a', 5, /expected a value.*not ";"/],
    ['tag==(a)', 5, /expected a value.*not "\("/],
    ['tag==a;', 7, /expected the name of a field/],
    ['tag==a,', 7, /expected the name of a field/],
    [';tag==a', 0, /expected the name of a field.*not ";"/],
    ['tag==a;;tag==b', 7, /expected the name of a field/],
    ['tag==a tag==b', 7, /expected ";", "," or the end, and not "tag"/],
    ['tag==a b', 7, /expected ";", "," or the end/],
    ['tag==a AND tag==b', 7, /expected ";", "," or the end, and not "AND"/],
    ['tag==a andtag==b', 7, /expected ";", ","/],
    ['tag==a and', 10, /expected the name of a field/],
    ['(tag==a', 7, /the "\)" of the "\(" at 0, but the filter ends/],
    ['tag==a;(tag==b;(tag==c)', 23, /"\)" of the "\(" at 7/],
    ['tag==a)', 6, /expected ";", "," or the end, and not "\)"/],
    ['()', 1, /expected the name of a field/],
    ['(tag)==a', 4, /expected a comparison of tag/],
    ['"tag"==a', 0, /expected the name of a field/],
    ['tag=in=a', 7, /expected "\(": =in= takes a list/],
    ['tag=in=()', 8, /expected a value/],
    ['tag=in=(a', 9, /expected "," or "\)"/],
    ['tag=in=(a,)', 10, /expected a value/],
    ['tag=in=(a;b)', 9, /expected "," or "\)"/],
    ['tag=in=((a))', 8, /expected a value/],
    ['tag=out=(a b)', 11, /expected "," or "\)"/],
    ['tag=="a', 5, /the quote that begins here is not closed/],
    ["tag=='a\\'", 5, /not closed/],
    ['tag=="a"b', 8, /expected ";", "," or the end/],
    ['tag==a"b"', 6, /expected ";", "," or the end/],
    [
      'colour==red',
      0,
      /"colour" is no field; there are id, name, deviceType, deviceType\.name, tag, connectedBy, site, custom\.<key>, slot\.<name>\.version, online, lastSeenAt, createdAt/,
    ],
    ['tag==a;Tag==b', 7, /"Tag" is no field/],
    ['toString==a', 0, /is no field/],
    ['attribute==a', 0, /is no field/],
    ['attribute.==a', 0, /is no field/],
    ['attribute.<key>==a', 0, /"attribute." is no field/],
    ['slot.firmware==1', 0, /is no field/],
    ['slot..version==1', 0, /is no field/],
    ['slot.a-b.version==1', 0, /is no field/],
    ['firmware==1', 0, /is no field/],
    ['name=gt=a', 4, /name is not compared with =gt=; use ==, !=, =in= or =out=/],
    ['custom.floor<three', 13, /expected a number such as 3 or -1\.5: =lt= compares by the order of numbers/],
    ['custom.floor<1e3', 13, /expected a number/],
    ['custom.floor<3*', 13, /expected a number/],
    ['createdAt==*', 9, /createdAt is not compared with ==/],
    ['online=in=(true)', 6, /online is not compared with =in=; use == or !=/],
    ['lastSeenAt=in=(2026-11-24T10:00:00Z)', 10, /lastSeenAt is not compared with =in=/],
    ['id==abc', 4, /expected a UUID/],
    [`id==${ID.slice(0, 8)}*`, 4, /expected a UUID/],
    [`id=in=(${ID},x)`, 44, /expected a UUID/],
    ['connectedBy==gateway', 13, /expected a UUID, or \* for any gateway/],
    ['id==x', 4, /expected a UUID, or \* for every device/],
    ['online==yes', 8, /expected true or false/],
    ['online==*', 8, /expected true or false/],
    ['online==TRUE', 8, /expected true or false/],
    ['lastSeenAt=gt=yesterday', 14, /expected an RFC 3339 time/],
    ['lastSeenAt=gt=2026-11-24', 14, /expected an RFC 3339 time/],
    ['lastSeenAt=gt=2026-11-24T10:00:00', 14, /expected an RFC 3339 time/],
    ['lastSeenAt=gt=2026-02-30T10:00:00Z', 14, /expected an RFC 3339 time/],
    ['lastSeenAt=gt=2026-11-24T24:00:00Z', 14, /expected an RFC 3339 time/],
    ['lastSeenAt=gt=0000-11-24T10:00:00Z', 14, /expected an RFC 3339 time/],
    ['lastSeenAt=gt=2026*', 14, /expected an RFC 3339 time/],
    ['lastSeenAt==2026-11-24T10:00:00Z', 12, /expected \*/],
    ['slot.firmware.version=lt=1.4*', 25, /expected a version such as 1\.4\.0/],
    ['slot.firmware.version=lt=latest', 25, /expected a version/],
    ['tag==a\0', 6, /NUL/],
  ])('%j', (text, position, message) => {
    expect(parseFilter(text)).toEqual({ error: { position, message: expect.stringMatching(message) } });
  });

  it.each<[string, string, number, RegExp]>([
    [
      'deeper than the limit',
      `${'('.repeat(MAX_FILTER_DEPTH + 1)}tag==a`,
      MAX_FILTER_DEPTH,
      /parentheses stand at most 32 deep/,
    ],
    [
      'with more comparisons than one statement takes',
      Array(MAX_COMPARISONS + 1)
        .fill('tag==a')
        .join(';'),
      MAX_COMPARISONS * 7,
      /compares at most 64 times/,
    ],
    ['longer than a page', `name==${'a'.repeat(MAX_FILTER_LENGTH)}`, MAX_FILTER_LENGTH, /at most 4096 characters/],
  ])('%s', (_, text, position, message) => {
    expect(parseFilter(text)).toEqual({ error: { position, message: expect.stringMatching(message) } });
  });

  it('at its bounds it does parse', () => {
    expect(parseFilter(`${'('.repeat(MAX_FILTER_DEPTH)}tag==a${')'.repeat(MAX_FILTER_DEPTH)}`)).toHaveProperty(
      'filter',
    );
    expect(parseFilter(Array(MAX_COMPARISONS).fill('tag==a').join(','))).toHaveProperty('filter');
    expect(parseFilter(`name==${'a'.repeat(MAX_FILTER_LENGTH - 6)}`)).toHaveProperty('filter');
  });
});

describe(`any filter (${RUN_AGAIN})`, () => {
  it('is equal after it was printed and parsed, and after a JSON round trip', () => {
    fc.assert(
      fc.property(filterTree(), (filter) => {
        const text = printFilter(filter);
        fc.pre(text.length <= MAX_FILTER_LENGTH);
        expect(parseFilter(text)).toEqual({ filter });
        expect(JSON.parse(JSON.stringify(filter))).toEqual(filter);
      }),
      { seed: SEED, numRuns: 1_000 },
    );
  });

  it('cut, doubled or garbled, is a filter or an error within the text: never an exception', () => {
    const garbage = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .array(
          fc.constantFrom(
            'tag',
            '==',
            '=in=',
            '(',
            ')',
            ',',
            ';',
            '"',
            "'",
            '\\',
            '*',
            ' ',
            'a',
            '😀',
            '\0',
            'and',
            '!',
            '<',
          ),
          { maxLength: 20 },
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(filterTree(), garbage, fc.nat(300), fc.nat(20), (filter, noise, at, gone) => {
        const text = printFilter(filter);
        for (const broken of [
          noise,
          text.slice(0, at),
          text.slice(0, at) + noise + text.slice(at + gone),
          text + text,
        ]) {
          const parsed = parseFilter(broken);
          if ('filter' in parsed) continue;
          expect(parsed.error.position).toBeGreaterThanOrEqual(0);
          expect(parsed.error.position).toBeLessThanOrEqual(broken.length);
          expect(parsed.error.message.length).toBeLessThan(500);
        }
      }),
      { seed: SEED, numRuns: 1_000 },
    );
  });
});
