import { z } from 'zod';
import { parseDuration } from '../domain/duration.js';

/** As it is. */
export const text = z.string();
/** 0 = any free one. */
export const port = z
  .string()
  .regex(/^\d{1,5}$/, 'must be a port from 0 (any free one) to 65535')
  .transform(Number)
  .refine((value) => value <= 65_535, 'must be a port from 0 (any free one) to 65535');
/** A whole number within bounds. */
export const count = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be a whole number from ${least} to ${most}`);
/** On or off. */
export const flag = z
  .enum(['true', 'false', '1', '0'], 'must be true or false')
  .transform((value) => value === 'true' || value === '1');
/** ISO 8601, as milliseconds. */
export const duration = z.string().transform((value, context) => {
  const ms = parseDuration(value);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: 'must be an ISO 8601 duration such as PT5M' });
  return z.NEVER;
});
/** A URL of one of these schemes. */
export const url = (...schemes: string[]) =>
  z
    .string()
    .refine(
      (value) => URL.canParse(value) && schemes.includes(new URL(value).protocol.slice(0, -1)),
      `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    );

function isBare(value: string): boolean {
  if (!URL.canParse(value)) return true; // said already
  const { username, password } = new URL(value);
  return username === '' && password === '' && !/[?#]/.test(value);
}

/** Paths are appended to it: behind a query or a fragment they mean nothing, and a user name would be in each link. */
export const base = url('http', 'https').refine(
  isBare,
  'must have no user name, no query and no fragment: links are made by appending a path to it',
);
/** Where devices reach a broker: each is told it, and has a login of its own. */
export const brokerForDevices = url('mqtt', 'mqtts').refine(
  isBare,
  'must have no user name, no query and no fragment: every device is told it',
);
