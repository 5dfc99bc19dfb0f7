import { z, type ZodObject } from 'zod';
import { DomainError, type ErrorCode, type Fault } from '../../domain/errors.js';
import { escapePointer, faultsOf, refuseFaults } from './errors.js';

type Kind = 'integer' | 'number' | 'boolean' | 'text';

/** Which parameters are written as numbers or booleans; worked out once for each route. */
export function kindsOf(schema: ZodObject): Record<string, Kind> {
  return Object.fromEntries(
    Object.entries(schema.shape).map(([name, member]) => {
      const { type } = z.toJSONSchema(member as z.ZodType, { io: 'input', unrepresentable: 'any' });
      return [name, type === 'integer' || type === 'number' || type === 'boolean' ? type : 'text'];
    }),
  );
}

/**
 * A query string against its schema. Repeated and unknown names are refused: a filter that is silently not applied
 * answers with more than was asked for.
 * @throws DomainError `code`, with pointers below `/query`
 */
export function parseQuery(
  url: string,
  schema: ZodObject | undefined,
  kinds: Record<string, Kind>,
  code: ErrorCode,
): Record<string, unknown> {
  const at = url.indexOf('?');
  const values: Record<string, unknown> = {};
  const faults: Fault[] = [];
  for (const pair of at < 0
    ? []
    : url
        .slice(at + 1)
        .split('&')
        .filter((part) => part !== '')) {
    const [name, value] = decodePair(pair, code);
    const pointer = `/query/${escapePointer(name)}`;
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) faults.push({ pointer, detail: `is unknown here; ${known(kinds)}` });
    else if (Object.hasOwn(values, name))
      faults.push({ pointer, detail: 'is given twice; send it once, lists with commas' });
    else if (value.includes('\0')) faults.push({ pointer, detail: 'holds a NUL character, which is not accepted' });
    else values[name] = turned(value, kind);
  }
  if (faults.length > 0) throw refuseFaults(code, faults);
  if (!schema) return values;
  const parsed = schema.safeParse(values);
  if (!parsed.success) throw refuseFaults(code, faultsOf(parsed.error.issues, '/query'));
  return parsed.data;
}

function known(kinds: Record<string, Kind>): string {
  const names = Object.keys(kinds);
  return names.length === 0 ? 'there are no query parameters' : `there are ${names.join(', ')}`;
}

function decodePair(pair: string, code: ErrorCode): [string, string] {
  const equals = pair.indexOf('=');
  const [name, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
  try {
    return [decodeURIComponent(name.replaceAll('+', ' ')), decodeURIComponent(value.replaceAll('+', ' '))];
  } catch (error) {
    throw new DomainError(
      code,
      `the query is not percent-encoded correctly at "${pair.slice(0, 60)}"`,
      { errors: [{ pointer: '/query', detail: 'is not percent-encoded correctly' }] },
      { cause: error },
    );
  }
}

/** Only what is plainly a number or a boolean is turned; the schema says what is wrong with the rest. */
function turned(value: string, kind: Kind): unknown {
  if (kind === 'integer' && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (kind === 'number' && /^-?\d{1,15}(\.\d{1,15})?$/.test(value)) return Number(value);
  if (kind === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  return value;
}
