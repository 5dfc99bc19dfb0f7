import { compareVersions } from '../artifact/versions.js';
import { FIELD_NAMES, type FieldName, type Operator, type Value } from './filter-tree.js';
import { readInstant } from '../instant.js';
import { isUuid } from '../uuid.js';

/**
 * What can be compared, as it is written. `custom` and `slot` are followed by the name of one. `attribute.<key>` is an
 * older spelling of `custom.<key>`: rollouts that were stored with it go on.
 */
export const FIELD_FORMS: Readonly<Record<FieldName, string>> = {
  id: 'id',
  name: 'name',
  deviceType: 'deviceType',
  deviceTypeName: 'deviceType.name',
  tag: 'tag',
  connectedBy: 'connectedBy',
  site: 'site',
  attribute: 'custom.<key>',
  slot: 'slot.<name>.version',
  online: 'online',
  lastSeenAt: 'lastSeenAt',
  createdAt: 'createdAt',
};

const EQUALITY = ['==', '!=', '=in=', '=out='] as const;
const ORDER = ['=gt=', '=ge=', '=lt=', '=le='] as const;

/**
 * Keys of attributes, and their values, are kept for filters up to 255 characters (0009-device-filter.sql): longer ones
 * match nothing.
 * @returns undefined where there is no such field
 */
export function readSelector(text: string): { field: FieldName; key: string | null } | undefined {
  const [, slot] = /^slot\.([a-zA-Z0-9_]{1,255})\.version$/.exec(text) ?? [];
  if (slot !== undefined) return { field: 'slot', key: slot };
  const [, attribute] = /^(?:custom|attribute)\.(.{1,255})$/su.exec(text) ?? [];
  if (attribute !== undefined) return { field: 'attribute', key: attribute };
  const field = FIELD_NAMES.find((name) => FIELD_FORMS[name] === text);
  return field && { field, key: null };
}

const OPERATORS_OF: Readonly<Record<FieldName, readonly Operator[]>> = {
  id: EQUALITY,
  name: EQUALITY,
  deviceType: EQUALITY,
  deviceTypeName: EQUALITY,
  tag: EQUALITY,
  connectedBy: EQUALITY,
  site: EQUALITY,
  attribute: [...EQUALITY, ...ORDER],
  slot: [...EQUALITY, ...ORDER],
  online: ['==', '!='],
  lastSeenAt: ['==', '!=', ...ORDER],
  createdAt: ORDER,
};

/** @returns what is wrong with that operator on that field; undefined = nothing */
export function operatorFault(field: FieldName, op: Operator): string | undefined {
  const allowed = OPERATORS_OF[field];
  return allowed.includes(op) ? undefined : `${FIELD_FORMS[field]} is not compared with ${op}; use ${listed(allowed)}`;
}

/** What is compared as a number, in filters and in PostgreSQL (store/fleet/filter.ts): it fits a double. */
const NUMBER = /^-?[0-9]{1,255}(?:\.[0-9]{1,255})?$/;

/** A value as the field keeps it (an id in lower case, a time in UTC), or what was expected in its place. */
export function readValue(field: FieldName, op: Operator, value: Value): { value: Value } | { fault: string } {
  const isSet = typeof value !== 'string' && value.every((part) => part === '');
  switch (field) {
    case 'deviceType':
      return { value: typeof value === 'string' && isUuid(value) ? value.toLowerCase() : value };
    case 'name':
    case 'tag':
    case 'site':
    case 'deviceTypeName':
      return { value };
    case 'attribute':
      if ((EQUALITY as readonly Operator[]).includes(op)) return { value };
      return typeof value === 'string' && NUMBER.test(value)
        ? { value }
        : { fault: `expected a number such as 3 or -1.5: ${op} compares by the order of numbers` };
    case 'slot':
      if ((EQUALITY as readonly Operator[]).includes(op)) return { value };
      return typeof value === 'string' && compareVersions(value, value) !== undefined
        ? { value }
        : { fault: `expected a version such as 1.4.0: ${op} compares by the order of versions` };
    case 'id':
    case 'connectedBy':
      if (isSet) return { value };
      return typeof value === 'string' && isUuid(value)
        ? { value: value.toLowerCase() }
        : { fault: `expected a UUID, or * for ${field === 'id' ? 'every device' : 'any gateway'}` };
    case 'online':
      return value === 'true' || value === 'false' ? { value } : { fault: 'expected true or false' };
    case 'createdAt':
    case 'lastSeenAt': {
      if (op === '==' || op === '!=')
        return isSet
          ? { value }
          : {
              fault: `expected *: ${op} asks whether a device was ever seen; times are compared with ${listed(ORDER)}`,
            };
      const time = typeof value === 'string' ? readInstant(value) : undefined;
      return time === undefined
        ? { fault: 'expected an RFC 3339 time of the years 1 to 9999, such as 2026-11-24T10:00:00Z' }
        : { value: time };
    }
  }
}

function listed(names: readonly string[]): string {
  const before = names.slice(0, -1).join(', ');
  return [...(before === '' ? [] : [before]), ...names.slice(-1)].join(' or ');
}
