import type { RolloutFacts } from '../../domain/rollout/facts.js';

/** Where the named groups stand in the plan; null = all of them are meant. */
export function positionsOf({ groups }: RolloutFacts, names: readonly string[] | null): number[] | null {
  return names === null ? null : groups.flatMap(({ name }, position) => (names.includes(name) ? [position] : []));
}
