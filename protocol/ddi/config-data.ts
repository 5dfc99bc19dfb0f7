import { z } from 'zod';

/** hawkBit's own limits (docs/contracts/hawkbit-ddi.md, "Attributes"). */
const MOST_CHARACTERS = 128;
const ALLOWED = /^[a-zA-Z0-9_\-!@#$%^&*()+=[\]{}|;:'",.<>/?\s]*$/;
/** Attributes of one device. */
export const MOST_ATTRIBUTES = 100;
/** Below it, attributes that a device sends stand among those that people give it. */
export const REPORTED = 'reported.';

/** The body of `PUT …/configData`. A value that is null deletes. */
export const configData = z
  .object({
    mode: z.enum(['merge', 'replace', 'remove']).nullish(),
    data: z
      .record(z.string(), z.string().nullable())
      .refine((data) => Object.keys(data).length > 0, 'must not be empty'),
  })
  .meta({ id: 'HawkbitConfigData', example: { mode: 'merge', data: { hwRevision: '1.0' } } });
/** Attributes that a device sends, and what becomes of those that it sent before. */
export type ConfigData = z.output<typeof configData>;

/** The first attribute that cannot be kept, as a sentence. */
export function attributeFault({ data }: ConfigData): string | undefined {
  for (const [key, value] of Object.entries(data)) {
    if (key === '' || key.length > MOST_CHARACTERS || !ALLOWED.test(key))
      return `the key "${key.slice(0, 40)}" has 1 to ${MOST_CHARACTERS} characters of ASCII`;
    if (value !== null && (value.length > MOST_CHARACTERS || !ALLOWED.test(value)))
      return `the value of "${key}" has at most ${MOST_CHARACTERS} characters of ASCII`;
  }
  return undefined;
}

/** The attributes of a device after it sent these; `custom` holds those of people, too, which stay. */
export function withReported(
  custom: Readonly<Record<string, unknown>>,
  { mode, data }: ConfigData,
): Record<string, unknown> {
  const kept = Object.entries(custom).filter(
    ([key]) =>
      !key.startsWith(REPORTED) || (mode !== 'replace' && !(mode === 'remove' && key.slice(REPORTED.length) in data)),
  );
  const sent =
    mode === 'remove' ? [] : Object.entries(data).map(([key, value]) => [`${REPORTED}${key}`, value] as const);
  return Object.fromEntries([...kept, ...sent].filter(([, value]) => value !== null));
}

/** How many of these attributes a device sent. */
export function countReported(custom: Readonly<Record<string, unknown>>): number {
  return Object.keys(custom).filter((key) => key.startsWith(REPORTED)).length;
}
