/**
 * Where a device stands against what is associated with the slots of its type (docs/contracts/operators.md, "The fleet
 * at a glance"). Each device is in exactly one, the first that holds: silent, updating, behind, unknown, upToDate.
 */
export const STANDINGS = ['upToDate', 'updating', 'behind', 'unknown', 'silent'] as const;
/** One of them. */
export type Standing = (typeof STANDINGS)[number];
