import type { Amendment } from './commands.js';
import { groupAt, type GroupPlan, type Plan } from './plan.js';

/** What differs between a plan and what it is to become, of that which may change; undefined = nothing. */
export function amendmentOf(before: Plan, after: Plan): Amendment | undefined {
  const groups = after.groups.flatMap((group, index) => groupAmendment(groupAt(before.groups, index), group));
  const amendment: Amendment = {
    ...(before.name === after.name ? {} : { name: after.name }),
    ...(before.description === after.description ? {} : { description: after.description }),
    ...(same(before.pace, after.pace) ? {} : { pace: after.pace }),
    ...(same(before.stopIf, after.stopIf) ? {} : { stopIf: after.stopIf }),
    ...(same(before.schedule, after.schedule) ? {} : { schedule: after.schedule }),
    ...(groups.length === 0 ? {} : { groups }),
  };
  return Object.keys(amendment).length === 0 ? undefined : amendment;
}

function groupAmendment(before: GroupPlan, after: GroupPlan): NonNullable<Amendment['groups']>[number][] {
  const changed = {
    ...(same(before.gate, after.gate) ? {} : { gate: after.gate }),
    ...(before.soak === after.soak ? {} : { soak: after.soak }),
    ...(same(before.approval, after.approval) ? {} : { approval: after.approval }),
  };
  return Object.keys(changed).length === 0 ? [] : [{ name: after.name, ...changed }];
}

/** Of the pointers to what a default filled in, those at which an amendment changed nothing. */
export function stillDefaulted(defaulted: readonly string[], before: Plan, after: Plan): string[] {
  return defaulted.filter((pointer) => same(valueAt(before, pointer), valueAt(after, pointer)));
}

/**
 * Of values that a plan had at some pointers, those pointers at which it still has them, in the order of the alphabet.
 */
export function unchanged(values: Readonly<Record<string, unknown>>, plan: Plan): string[] {
  return Object.entries(values)
    .filter(([pointer, value]) => same(value, valueAt(plan, pointer)))
    .map(([pointer]) => pointer)
    .sort();
}

/** RFC 6901 §4; names in a plan need no escapes. */
export function valueAt(plan: Plan, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined,
      plan,
    );
}

/** Whether two values of a plan say the same, in whichever order their members stand. */
export function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** PostgreSQL's jsonb has an order of its own. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
