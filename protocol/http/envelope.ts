import { z } from 'zod';
import { STATES } from '../../domain/installation/states.js';
import { PERMISSIONS } from '../../domain/permissions.js';
import { PAUSE_REASONS } from '../../domain/rollout/facts.js';
import { PHASES } from '../../domain/rollout/phase.js';
import { EVENT_NAMES } from '../../domain/webhook/event-names.js';
import { FIRST_INSTANT, inUtc, LAST_INSTANT } from '../../domain/instant.js';

/**
 * Text of `min` to `max` characters. Characters are Unicode code points, as JSON Schema counts them: JavaScript's
 * `length` would refuse 255 emoji that the OpenAPI document allows.
 */
export function text(min: number, max: number) {
  return z
    .string()
    .refine((value) => fits(value, min, max), {
      error: min > 0 ? `must have ${min} to ${max} characters` : `must have at most ${max} characters`,
    })
    .meta({ ...(min > 0 ? { minLength: min } : {}), maxLength: max });
}

/** Control characters, ends of lines and those that turn the direction of text (Unicode's Bidi_Control). */
const UNSEEN = String.raw`\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069`;
const HAS_UNSEEN = new RegExp(`[${UNSEEN}]`);

/** One of each: it stands in the document once. */
const LABELS = new Map<string, z.ZodString>();

/**
 * A name, or a label that people choose freely: text of one line. It stands in sentences, logs and lists of others, and
 * must not look there like another line, or like another name.
 */
export function label(min: number, max: number): z.ZodString {
  const known = LABELS.get(`${min} ${max}`);
  if (known) return known;
  const made = z
    .string()
    .refine((value) => fits(value, min, max), {
      error: min > 0 ? `must have ${min} to ${max} characters` : `must have at most ${max} characters`,
    })
    .refine((value) => !HAS_UNSEEN.test(value), {
      error: 'must be one line, without control characters and those that turn the direction of text',
    })
    .meta({
      id: `Label${min}To${max}`,
      ...(min > 0 ? { minLength: min } : {}),
      maxLength: max,
      pattern: `^[^${UNSEEN}]*$`,
    });
  LABELS.set(`${min} ${max}`, made);
  return made;
}

function fits(value: string, min: number, max: number): boolean {
  if (value.length > 2 * max) return false;
  const length = [...value].length;
  return length >= min && length <= max;
}

/**
 * Ids that clients send. Any of the five groups of hex digits: whether it names something is not the parser's question.
 * In lower case, as PostgreSQL prints them: RFC 9562 §4 lets clients send either.
 */
export const id = z.guid({ error: 'must be a UUID' }).toLowerCase();

/** For the document: what is said of the calendar is in the format. */
const RFC_3339 = '^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?([Zz]|[+-]\\d{2}:\\d{2})$';

/** The name of an entry of the history, in the document as one of `names`. */
export function eventName(names: readonly string[]): z.ZodString {
  return z.string().meta({ enum: [...names], description: 'What happened' });
}

/** The name of any entry of the history, as an answer has it. */
export const anyEvent = z.string().meta({ id: 'EventName', enum: [...EVENT_NAMES] });

/** The name of an event that a request asks for: one that the history can have. */
export const knownEvent = z
  .enum(EVENT_NAMES, { error: `must be the name of an event: ${EVENT_NAMES.join(', ')}` })
  .meta({ id: 'EventName' });

/** Where an installation stands. */
export const installationState = z.enum(STATES).meta({ id: 'InstallationState' });

/** Where a rollout stands. */
export const rolloutPhase = z.enum(PHASES).meta({ id: 'RolloutPhase' });

/** Why a rollout is paused. */
export const pauseReason = z.enum(PAUSE_REASONS).meta({ id: 'PauseReason' });

/** What a token may do, by name. */
export const permission = z.enum(PERMISSIONS).meta({ id: 'Permission' });

/** RFC 3339, with an offset; its T and Z may be small (§5.6). The service prints UTC. */
export const timestamp = z
  .string()
  .toUpperCase()
  .check(
    z.iso.datetime({
      offset: true,
      error: 'must be an RFC 3339 timestamp with an offset, such as 2026-11-24T10:00:00Z',
    }),
  )
  .refine((value) => Date.parse(value) >= FIRST_INSTANT && Date.parse(value) <= LAST_INSTANT, {
    error: 'must lie in the years 1 to 9999',
  })
  .meta({ pattern: RFC_3339 });

/** More is refused with 400, never clamped (docs/contracts/rest-api.md, "Conventions"). */
export const MAX_PAGE_SIZE = 100;
/** Rows of a page where `pageSize` is absent. */
export const DEFAULT_PAGE_SIZE = 20;
/** Beyond this many rows an offset costs more than an answer is worth: such lists are read by `cursor`. */
export const MAX_OFFSET_ROWS = 10_000;

const paging = {
  page: z
    .int()
    .min(0)
    .optional()
    .meta({ default: 0, description: `Counts from 0. From ${MAX_OFFSET_ROWS} rows on, use cursor.` }),
  pageSize: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  cursor: z
    .string()
    .optional()
    .meta({ description: 'What `meta.nextCursor` of the answer before said. Excludes `page`.' }),
};

/**
 * A time in a query. Empty it filters nothing, as with lists. The + of an offset may stand as it is: in a query it
 * means a space, which no time has there.
 */
export function timeFilter(description: string) {
  return z
    .string()
    .max(64)
    .transform((value) => (value === '' ? undefined : value.replace(/ (?=\d\d:\d\d$)/, '+')))
    .pipe(timestamp.transform(inUtc).optional())
    .optional()
    .meta({ description: `RFC 3339. ${description}` });
}

/** Part of a name, in any case of letters. Empty it filters nothing. */
export const namePart = text(0, 255).optional().meta({ description: 'Part of the name', example: 'switch' });

/** By when it was made, as every long list can be sorted. */
const NEWEST = ['createdAt'] as const;

/**
 * The query of a list: page, pageSize, cursor, sort, since, until, and the list's own filters. `toPageRequest`
 * (api/http/paging.ts) makes a PageRequest of it.
 * @param sorts the fields that the list can be sorted by; the first one is its own, newest first, and is what `since`
 * and `until` are about.
 */
export function listQuery<S extends z.core.$ZodLooseShape>(filters: S, sorts: readonly [string, ...string[]] = NEWEST) {
  const [time] = sorts;
  const names = sorts.flatMap((name) => [name, `-${name}`]);
  const sort = z
    .enum(names, { error: `must be one of ${names.join(', ')}` })
    .optional()
    .meta({ description: `With - in front it is descending. Default -${time}` });
  const since = timeFilter(`Only what has this ${time} or a later one`);
  const until = timeFilter(`Only what has an earlier ${time}`);
  return z.strictObject({ ...paging, sort, since, until, ...filters });
}

/** The query of a list that is short by its nature: it has no cursor. */
export const shortListQuery = z.strictObject({ page: z.int().min(0).default(0), pageSize: paging.pageSize });

/**
 * A comma list of a filter, whose values are checked one by one; in the document it is text. Empty parts say nothing,
 * and an empty list filters nothing: the contract writes `?state=&slot=&rolloutId=`, and so do
 * empty forms.
 */
export function listOf<T extends string>(item: z.ZodType<T>) {
  const items = z.array(item).optional() as unknown as z.ZodType<T[] | undefined, string[] | undefined>;
  return z.string().max(8192).transform(partsOf).pipe(items).optional();
}

function partsOf(list: string): string[] | undefined {
  const parts = list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return parts.length === 0 ? undefined : parts;
}

/** `page` counts from 0. `nextCursor` is absent on the last page. */
export const meta = z
  .strictObject({
    page: z.int().min(0),
    pageSize: z.int().min(1),
    itemsTotal: z.int().min(0).meta({ description: 'Over all pages: exact up to 10,000, then an estimate' }),
    pagesTotal: z.int().min(0),
    itemsTotalExact: z.literal(false).optional().meta({ description: 'There where itemsTotal is an estimate' }),
    nextCursor: z.string().optional().meta({ description: 'There while more follows.' }),
  })
  .meta({ id: 'PageMeta' });

/** An example of the resource is one of its envelope and of a page of it. */
export function envelope<T extends z.ZodType>(data: T) {
  const example = exampleOf(data);
  return z.strictObject({ data }).meta(example === undefined ? {} : { example: { data: example } });
}

/**
 * The answer of a list: `data` and `meta`. Its example is a page of one, where the item has an example; of a long one,
 * which stands where one item is answered, an empty page.
 */
export function pageOf<T extends z.ZodType>(item: T) {
  const example = exampleOf(item);
  if (JSON.stringify(example ?? null).length > LONG_EXAMPLE)
    return z.strictObject({ data: z.array(item), meta }).meta({ example: { data: [], meta: META_OF_NONE } });
  return z
    .strictObject({ data: z.array(item), meta })
    .meta(example === undefined ? {} : { example: { data: [example], meta: META_OF_ONE } });
}

/** Characters of JSON: the document is to stay small (test/api/documents.test.ts). */
const LONG_EXAMPLE = 500;
const META_OF_NONE = { page: 0, pageSize: DEFAULT_PAGE_SIZE, itemsTotal: 0, pagesTotal: 0 };

/** The `meta` of a list with one item, for examples. */
export const META_OF_ONE = { page: 0, pageSize: DEFAULT_PAGE_SIZE, itemsTotal: 1, pagesTotal: 1 };

/** The example in the metadata of a schema; undefined where it has none. */
export function exampleOf(schema: z.ZodType): unknown {
  return (schema.meta() as { example?: unknown } | undefined)?.example;
}
