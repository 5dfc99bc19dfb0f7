import { assertNever } from '../../domain/assert-never.js';
import { parseFilter } from '../../domain/fleet/filter.js';
import type { Comparison, FilterNode, Operator, Value } from '../../domain/fleet/filter-tree.js';
import { isUuid } from '../../domain/uuid.js';

/** How the statement around the filter calls things; they go into SQL as they are, so never from a request. */
export interface Names {
  /** Of `devices` in the statement. */
  readonly devices: string;
  /** The parameter that holds the tenant. The statement compares the devices' tenant with it itself. */
  readonly tenant: string;
}

/**
 * A filter as an SQL condition over a row of `devices`, never null. Every value goes into `values` and is bound. For
 * each field there is an index (sql/0009-device-filter.sql), in lists, which stand behind row-level security, and for
 * the rollouts' pages:
 *
 *     SELECT d.id FROM devices d WHERE d.tenant_id = $1 AND <condition> AND d.id > $n ORDER BY d.id LIMIT 1000
 */
export function deviceCondition(
  filter: FilterNode,
  values: unknown[],
  names: Names = { devices: 'd', tenant: '$1' },
): string {
  const bind = (value: unknown): string => `$${values.push(value)}`;
  return conditionOf(filter, { ...names, bind });
}

/** The same for a filter that is kept as text. It was checked when it came in. */
export function filterCondition(text: string, values: unknown[], names?: Names): string {
  const parsed = parseFilter(text);
  // A filter that another version accepted, whose language had more.
  if ('error' in parsed)
    throw new Error(
      `the filter "${text}" is not understood: ${parsed.error.message}, at position ${parsed.error.position}`,
    );
  return deviceCondition(parsed.filter, values, names);
}

/** Whether a column equals one of the texts, or fits one of the patterns: an SQL condition as of `deviceCondition`. */
export function textCondition(column: string, wanted: readonly Value[], values: unknown[]): string {
  return textMatches(column, wanted, (value) => `$${values.push(value)}`);
}

interface Context extends Names {
  readonly bind: (value: unknown) => string;
}

function conditionOf(filter: FilterNode, context: Context): string {
  if (filter.is !== 'comparison')
    return `(${filter.of.map((part) => conditionOf(part, context)).join(filter.is === 'and' ? ' AND ' : ' OR ')})`;
  const matches = comparisonOf(filter, context);
  // Whatever does not match: also a device that has no such value.
  return filter.op === '!=' || filter.op === '=out=' ? `(${matches}) IS NOT TRUE` : matches;
}

/** As if it asked for equality, where it asks for the opposite. */
function comparisonOf({ field, key, op, values }: Comparison, context: Context): string {
  const { devices: d, tenant, bind } = context;
  switch (field) {
    case 'id':
      return values.some(isPattern) ? `${d}.id IS NOT NULL` : `${d}.id = ANY(${bind(values)}::uuid[])`;
    case 'connectedBy':
      return values.some(isPattern)
        ? `${d}.connected_by IS NOT NULL`
        : `${d}.connected_by = ANY(${bind(values)}::uuid[])`;
    case 'name':
      return textMatches(`${d}.name`, values, bind);
    case 'deviceType': {
      const ids = values.filter((value) => typeof value === 'string' && isUuid(value));
      const others = values.filter((value) => !ids.includes(value));
      const ways = [];
      // As constants: PostgreSQL then knows how many devices a type has.
      if (ids.length > 0 || others.length === 0) ways.push(`${d}.device_type_id = ANY(${bind(ids)}::uuid[])`);
      // A tenant has few types: looking through them costs less than an index on what they are called.
      if (others.length > 0)
        ways.push(
          `${d}.device_type_id = ANY(ARRAY(SELECT t.id FROM device_types t WHERE t.tenant_id = ${tenant}
            AND (${textMatches('t.model', others, bind)} OR ${textMatches('t.id::text', others, bind)})))`,
        );
      return anyOf(ways);
    }
    case 'deviceTypeName':
      return `${d}.device_type_id = ANY(ARRAY(SELECT t.id FROM device_types t WHERE t.tenant_id = ${tenant}
        AND ${textMatches('t.name', values, bind)}))`;
    case 'tag':
    case 'site':
    case 'attribute':
      return `EXISTS (SELECT FROM device_terms x WHERE x.tenant_id = ${d}.tenant_id AND x.device_id = ${d}.id AND x.field = ${bind(field === 'attribute' ? `attribute.${key}` : field)} AND ${termMatches(op, values, bind)})`;
    case 'slot':
      return `EXISTS (SELECT FROM device_slots x WHERE x.tenant_id = ${d}.tenant_id AND x.device_id = ${d}.id AND x.slot = ${bind(key)} AND ${slotMatches(op, values, bind)})`;
    case 'online':
      return `${d}.online = ${bind(values[0] === 'true')}::boolean`;
    case 'createdAt':
      return `${d}.created_at ${ORDER[op] ?? '='} ${bind(values[0])}::timestamptz`;
    case 'lastSeenAt': {
      const sign = ORDER[op];
      if (sign === undefined) return `${d}.last_seen_hour IS NOT NULL`;
      const time = bind(values[0]);
      // The hour is what the index knows.
      return `(${d}.last_seen_at ${sign} ${time}::timestamptz AND ${d}.last_seen_hour ${sign[0]}= date_trunc('hour', ${time}::timestamptz AT TIME ZONE 'UTC'))`;
    }
    default:
      return assertNever(field);
  }
}

const ORDER: Readonly<Partial<Record<Operator, '>' | '>=' | '<' | '<='>>> = {
  '=gt=': '>',
  '=ge=': '>=',
  '=lt=': '<',
  '=le=': '<=',
};

/** By the order of numbers, what is a number; of one attribute of all devices, by an index as far as its name. */
function termMatches(op: Operator, values: readonly Value[], bind: Context['bind']): string {
  const sign = ORDER[op];
  return sign === undefined
    ? textMatches('x.value', values, bind)
    : `CASE WHEN x.value ~ '^-?[0-9]{1,255}(\\.[0-9]{1,255})?$' THEN x.value::float8 ${sign} ${bind(values[0])}::float8 ELSE false END`;
}

function slotMatches(op: Operator, values: readonly Value[], bind: Context['bind']): string {
  const sign = ORDER[op];
  return sign === undefined
    ? textMatches('x.version', values, bind)
    : `x.version_key ${sign} version_key(${bind(values[0])}::text)`;
}

/** The column equals one of the values, or fits one of the patterns. */
function textMatches(column: string, values: readonly Value[], bind: Context['bind']): string {
  if (values.length === 0) return 'false';
  const exact = values.filter((value) => !isPattern(value));
  const ways = values.filter(isPattern).map((parts) => patternMatches(column, parts, bind));
  if (exact.length > 0)
    ways.unshift(
      exact.length === 1 ? `${column} = ${bind(exact[0])}::text` : `${column} = ANY(${bind(exact)}::text[])`,
    );
  return anyOf(ways);
}

/** At least one way is given. */
function anyOf(ways: readonly string[]): string {
  const any = ways.join(' OR ');
  return ways.length === 1 ? any : `(${any})`;
}

function isPattern(value: Value): value is readonly string[] {
  return typeof value !== 'string';
}

/** A beginning is a range in the order of bytes, which an index has; LIKE is asked only about what comes after it. */
function patternMatches(column: string, parts: readonly string[], bind: Context['bind']): string {
  const [prefix = '', ...others] = parts;
  const rest = others.join('');
  const conditions = [];
  if (prefix !== '') {
    conditions.push(`${column} ~>=~ ${bind(prefix)}::text`);
    const end = endOfPrefix(prefix);
    if (end !== undefined) conditions.push(`${column} ~<~ ${bind(end)}::text`);
  }
  if (rest !== '')
    conditions.push(`${column} LIKE ${bind(parts.map((part) => part.replaceAll(/[\\%_]/g, '\\$&')).join('%'))}::text`);
  return conditions.length === 0 ? `${column} IS NOT NULL` : `(${conditions.join(' AND ')})`;
}

/** The first text, in the order of code points, after all that begin so; undefined where there is none. */
function endOfPrefix(prefix: string): string | undefined {
  const points = [...prefix].flatMap((character) => character.codePointAt(0) ?? []);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  // Surrogates are no characters.
  return last === undefined ? undefined : String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
}

const LAST_CODE_POINT = 0x10ffff;
