import { z } from 'zod';
import { nearName } from '../../domain/near-names.js';

type Json = Readonly<Record<string, unknown>>;

/** The names of members at each place of a body: by its pointer, where `*` stands for any index or free name. */
type Members = ReadonlyMap<string, readonly string[]>;

/** Longer lists are not read to the end; the OpenAPI document has them. */
const MOST_NAMED = 30;
const known = new WeakMap<z.ZodType, Members>();

/**
 * What to say of a member that a body cannot have: the name that was meant, or where the name belongs, or which names
 * there are.
 * @param pointer of the object that holds it, RFC 6901 from the body on
 */
export function unknownMember(schema: z.ZodType, pointer: string, key: string): string {
  const members = known.get(schema) ?? membersOf(schema);
  known.set(schema, members);
  const here = namesAt(members, pointer);
  const near = nearName(key, here);
  if (near !== undefined) return `is unknown here; did you mean ${near}?`;
  const homes = [...members].filter(([, names]) => names.includes(key)).map(([place]) => seenFrom(pointer, place));
  if (homes.length > 0) {
    return `is unknown here; it belongs ${homes.map((place) => (place === '' ? 'to the top of the body' : `into ${place}`)).join(' or ')}`;
  }
  if (here.length === 0) return `is unknown here; ${pointer === '' ? 'the body' : pointer} has no members`;
  return `is unknown here; there are ${here.slice(0, MOST_NAMED).join(', ')}${here.length > MOST_NAMED ? ', …' : ''}`;
}

/** A place as one sees it from a pointer: where both go through the same list, in the same element of it. */
function seenFrom(pointer: string, place: string): string {
  const own = pointer.split('/');
  const keys = place.split('/');
  const parted = keys.findIndex((key, nth) => key !== own[nth] && key !== '*');
  return keys.map((key, nth) => (key === '*' && (parted < 0 || nth < parted) ? (own[nth] ?? key) : key)).join('/');
}

function namesAt(members: Members, pointer: string): readonly string[] {
  const keys = pointer.split('/');
  const fits = (place: string): boolean => {
    const of = place.split('/');
    return of.length === keys.length && of.every((key, nth) => key === '*' || key === keys[nth]);
  };
  return members.get(pointer) ?? [...members].find(([place]) => fits(place))?.[1] ?? [];
}

function membersOf(schema: z.ZodType): Members {
  const found = new Map<string, readonly string[]>();
  const document = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json;
  const definitions = (document['$defs'] ?? {}) as Readonly<Record<string, Json>>;
  const visit = (node: unknown, place: string, depth: number): void => {
    if (typeof node !== 'object' || node === null || depth > MAX_DEPTH) return;
    const { $ref, properties, items, additionalProperties, anyOf, oneOf, allOf } = node as Record<string, unknown>;
    if (typeof $ref === 'string') visit(definitions[$ref.slice($ref.lastIndexOf('/') + 1)], place, depth + 1);
    if (typeof properties === 'object' && properties !== null) {
      found.set(place, [...new Set([...(found.get(place) ?? []), ...Object.keys(properties)])]);
      for (const [name, inner] of Object.entries(properties)) visit(inner, `${place}/${name}`, depth + 1);
    }
    visit(items, `${place}/*`, depth + 1);
    visit(additionalProperties, `${place}/*`, depth + 1);
    for (const inner of [anyOf, oneOf, allOf].flat()) visit(inner, place, depth + 1);
  };
  visit(document, '', 0);
  return found;
}

/** Deeper than any body is; a schema that holds itself ends here. */
const MAX_DEPTH = 20;
