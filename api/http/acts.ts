import type { Request, Response } from 'express';
import { effectOf, resourceOf, type Shown } from '../../domain/audit/actions.js';
import { writeAct, type Actor } from '../../store/audit/entries.js';
import { readSubject } from '../../store/audit/subjects.js';
import type { Tx } from '../../store/db/pool.js';
import { requestIdOf } from './request-id.js';
import type { Answer, AuditedAs, Principal } from './route.js';

/** One request of a route that changes something, for the audit. */
export interface Acting {
  readonly as: AuditedAs;
  readonly principal: Principal;
  readonly request: Request;
  readonly response: Response;
  readonly params: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly now: () => number;
}

/** The sender of the request, as entries have it. */
export function actorOf(principal: Principal, request: Request, response: Response): Actor {
  return {
    id: principal.id,
    credential: principal.kind === 'key' ? principal.subject : (principal.tokenId ?? null),
    address: request.ip ?? null,
    requestId: requestIdOf(response),
  };
}

/**
 * Runs the transaction of a change and writes its entry into it. A change that changes nothing has none: a PATCH that
 * says what is there, a deletion of what is gone.
 */
export async function recorded<T>(tx: Tx, acting: Acting, work: () => Promise<T>): Promise<T> {
  const { as, principal, params } = acting;
  const { tenantId } = principal;
  const resource = resourceOf(as.action);
  const named = as.id === undefined ? undefined : params[as.id];
  const before = named === undefined ? undefined : await readSubject(tx, tenantId, resource, named);
  const result = await work();
  const id = named ?? idIn(result);
  if (id === undefined) throw new Error(`the answer of ${as.action} has no id for the audit`);
  await write(tx, acting, id, before, await readSubject(tx, tenantId, resource, id));
  return result;
}

/** Writes the entry of an act whose effect its handler knows. */
export async function recordAct(
  tx: Tx,
  acting: Acting,
  before: Shown | undefined,
  after: Shown,
  id = acting.params[acting.as.id ?? 'id'] ?? '',
): Promise<void> {
  await write(tx, acting, id, before, after);
}

async function write(
  tx: Tx,
  { as, principal, request, response, params, body, now }: Acting,
  id: string,
  before: Shown | undefined,
  after: Shown | undefined,
): Promise<void> {
  const effect = effectOf(before, after);
  // A command was given, whatever came of it: its reason is in its body. What is created or changed shows itself.
  const isCommand = request.method === 'POST' && as.id !== undefined;
  if (!isCommand && effect.before === undefined && effect.after === undefined) return;
  const others = Object.entries(params).filter(([name]) => name !== as.id && name !== 'deviceId');
  const said = { ...Object.fromEntries(others), ...(isShown(body) ? body : {}) };
  const asked = isCommand && Object.keys(said).length > 0 ? said : undefined;
  await writeAct(
    tx,
    principal.tenantId,
    { actor: actorOf(principal, request, response), action: as.action, id, effect, asked },
    now(),
  );
}

function idIn(result: unknown): string | undefined {
  const { body } = result as Exclude<Answer, { handled: true }>;
  const { data } = (body ?? {}) as { data?: { id?: unknown } };
  return typeof data?.id === 'string' ? data.id : undefined;
}

function isShown(value: unknown): value is Shown {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
