import { defined } from '../../domain/defined.js';

interface OfDevice {
  readonly device_id: string;
}

/**
 * Targets are locked by their devices, as everything locks them, and taken in the order in which they were chosen.
 * @param locked those of `chosen` that still are what was chosen
 */
export function inOrderOf<T extends OfDevice>(chosen: readonly OfDevice[], locked: readonly T[]): T[] {
  const place = new Map(chosen.map((one, index) => [one.device_id, index]));
  const of = (one: T): number => defined(place.get(one.device_id), 'only what was chosen is locked');
  return [...locked].sort((a, b) => of(a) - of(b));
}
