/**
 * What JavaScript, PostgreSQL and RFC 3339 all can write: the years 1 to 9999 in UTC, in epoch milliseconds. A local
 * time in them may lie outside of them: `9999-12-31T23:59:59-01:00` is in the year 10000.
 */
export const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00.000Z');
/** The other end, see `FIRST_INSTANT`. */
export const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

const RFC_3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * RFC 3339 §5.6, in UTC with milliseconds. Days that no calendar has are refused: JavaScript would count on into the
 * next month.
 * @returns undefined where the text is none, or names no instant between FIRST_INSTANT and LAST_INSTANT.
 */
export function readInstant(text: string): string | undefined {
  const upper = text.toUpperCase();
  const [, written] = RFC_3339.exec(upper) ?? [];
  if (written === undefined) return undefined;
  const local = Date.parse(`${written}Z`);
  const time = Date.parse(upper);
  if (Number.isNaN(local) || !new Date(local).toISOString().startsWith(written)) return undefined;
  return time >= FIRST_INSTANT && time <= LAST_INSTANT ? new Date(time).toISOString() : undefined;
}

/**
 * An instant in UTC as PostgreSQL takes it, to the microsecond: it knows no offset of 16 hours or more, which RFC 3339
 * allows. `text` is a timestamp that was checked.
 */
export function inUtc(text: string): string {
  const [, fraction = ''] = /\.(\d{1,6})/.exec(text) ?? [];
  return `${new Date(Date.parse(text)).toISOString().slice(0, 19)}${fraction && `.${fraction}`}Z`;
}
