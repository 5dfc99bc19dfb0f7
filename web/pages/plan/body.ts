/**
 * A rollout as it is asked for: the body of `POST /v1/rollouts`, with what was typed and nothing else. The form and the
 * YAML are two views of it, so that neither can lose what the other one says.
 */
export type Body = Readonly<Record<string, unknown>>;

type Container = Readonly<Record<string, unknown>> | readonly unknown[];

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

/** What stands at a JSON pointer (RFC 6901; names in a plan need no escapes); undefined = nothing. */
export function valueAt(body: Body, pointer: string): unknown {
  return keysOf(pointer).reduce<unknown>(
    (value, key) => (isContainer(value) ? (value as Readonly<Record<string, unknown>>)[key] : undefined),
    body,
  );
}

/** The body with another value there. undefined takes it away, with the objects that are empty then. */
export function withAt(body: Body, pointer: string, value: unknown): Body {
  return (changed(body, keysOf(pointer), value) ?? {}) as Body;
}

function changed(inside: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(inside)) {
    const list: readonly unknown[] = inside;
    return list.map((one, index) => (index === Number(key) ? (changed(one, rest, value) ?? {}) : one));
  }
  const before = isContainer(inside) ? Object.entries(inside) : [];
  const next = changed(
    isContainer(inside) ? (inside as Readonly<Record<string, unknown>>)[key] : undefined,
    rest,
    value,
  );
  const entries = before.some(([name]) => name === key)
    ? before.map(([name, was]) => [name, name === key ? next : was] as const)
    : [...before, [key, next] as const];
  const left = entries.filter(([, one]) => one !== undefined);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

function keysOf(pointer: string): readonly string[] {
  return pointer.split('/').slice(1);
}

/** A number as it is typed. What is none is kept as text: the service says what is wrong with it. */
export function asNumber(text: string): unknown {
  const typed = text.trim();
  if (typed === '') return undefined;
  return Number.isFinite(Number(typed)) ? Number(typed) : typed;
}

/** A share (0..1) that is typed as a percentage. */
export function asShare(text: string): unknown {
  const value = asNumber(text.replace(/%\s*$/, ''));
  return typeof value === 'number' ? Number((value / 100).toPrecision(12)) : value;
}

/** A text as it is typed; empty = nothing. */
export function asText(text: string): unknown {
  return text.trim() === '' ? undefined : text;
}

/** As an input shows it. */
export function printed(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** A share as a percentage. */
export function printedShare(value: unknown): string {
  return typeof value === 'number' ? String(Number((value * 100).toPrecision(12))) : printed(value);
}
