import { createHash } from 'node:crypto';
import type { Request } from 'express';
import type { DomainError } from '../../domain/errors.js';
import { answerOnce, type FirstAnswer, type KeyedRequest } from '../../store/db/idempotency.js';
import type { Tx } from '../../store/db/pool.js';
import { refuseFaults, toProblem } from './errors.js';
import type { Answer, Route } from './route.js';

/** Printable ASCII, without spaces at its ends: those do not survive the way (RFC 9110 §5.5). */
export const KEY_PATTERN = '^[!-~]([ -~]*[!-~])?$';
/** Characters of an `Idempotency-Key` (docs/contracts/rest-api.md, "Conventions"). */
export const KEY_LENGTH = 255;
const KEY = new RegExp(KEY_PATTERN);

/**
 * Whether an `Idempotency-Key` counts here: on every POST with a JSON body. The upload of a blob needs none: a blob is
 * attached once and never changes, so a repetition is told by 423 that the first one worked, and 2 GB need not be
 * hashed to tell it from another.
 */
export function takesKey(route: Route): boolean {
  return route.method === 'post' && route.body !== undefined && route.readsBody === undefined;
}

/** @returns undefined where no key was sent. @throws DomainError (the route's validation code) where it is none. */
export function keyedRequest(
  route: Route,
  request: Request,
  params: Record<string, string>,
  json: unknown,
): KeyedRequest | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || key.length > KEY_LENGTH || !KEY.test(key)) {
    throw refuseFaults(route.validationCode ?? 'REQUEST_VALIDATION', [
      { pointer: '/header/Idempotency-Key', detail: `must have 1 to ${KEY_LENGTH} printable ASCII characters` },
    ]);
  }
  const said = JSON.stringify([route.method, route.path, params, json ?? null], sorted);
  return { key, fingerprint: createHash('sha256').update(said).digest() };
}

/** The order of members says nothing in JSON (RFC 8259 §4): a client that builds its body again may send another. */
function sorted(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Does `work` once for this key, in the transaction `tx`, and answers each repetition as the first one. */
export async function answeredOnce(
  tx: Tx,
  tenantId: string,
  keyed: KeyedRequest,
  instance: string,
  now: number,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const outcome = await answerOnce(
    tx,
    tenantId,
    keyed,
    now,
    async () => toKeep(await work(), instance),
    (error) => keptRefusal(error, instance),
  );
  if ('given' in outcome) return outcome.given;
  return {
    status: outcome.repeated.status,
    body: JSON.parse(outcome.repeated.body) as unknown,
    headers: { 'Idempotent-Replayed': 'true' },
  };
}

/** An answer with a secret is not kept: what stands in its place says so. */
function toKeep(given: Answer, instance: string): FirstAnswer<Answer> {
  if ('handled' in given) throw new Error('a handler that writes its response itself cannot be answered again');
  const kept = given.repeated
    ? { status: given.repeated.status, body: toProblem(given.repeated, instance) }
    : { status: given.status, body: given.body };
  return { given, kept: { status: kept.status, body: JSON.stringify(kept.body) } };
}

/**
 * By name: `instanceof` fails across the realms of a test runner. A fault of the service (5xx) is no answer to keep.
 */
function keptRefusal(error: unknown, instance: string): FirstAnswer<Answer> | undefined {
  if (!(error instanceof Error) || error.name !== 'DomainError' || (error as DomainError).status >= 500)
    return undefined;
  const refusal = error as DomainError;
  return toKeep({ status: refusal.status, body: toProblem(refusal, instance) }, instance);
}
