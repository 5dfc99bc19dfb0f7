import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useChange } from '../../service/queries.js';
import { callAll } from '../../service/request.js';
import type { Association, DeviceType } from '../../service/types.js';

/** The path of what may go into a slot of a type. */
export function associationsPath(typeId: string, slot: string): string {
  return `/v1/device-types/${typeId}/slots/${slot}/firmware-associations`;
}

/** By slot and firmware, the id of the association, of one type. */
export type Allowed = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What may go into each slot of a type: one list a slot, read to its end. */
export function useAllowed({ id, slots }: Pick<DeviceType, 'id' | 'slots'>): UseQueryResult<Allowed, Error> {
  const names = Object.keys(slots);
  return useQuery<Allowed>({
    queryKey: ['associations', id, names],
    meta: { about: ['associations'] },
    queryFn: async ({ signal }) => {
      const lists = await Promise.all(
        names.map(async (slot) => [slot, await callAll<Association>(associationsPath(id, slot), signal)] as const),
      );
      return Object.fromEntries(
        lists.map(([slot, list]) => [slot, Object.fromEntries(list.map((one) => [one.firmwareId, one.id]))]),
      );
    },
  });
}

/** A change of one cell: without `associationId` the firmware is allowed, with it that is taken back. */
export interface Cell {
  readonly typeId: string;
  readonly slot: string;
  readonly firmwareId: string;
  readonly associationId: string | undefined;
}

/** Allows a firmware in a slot, or takes that back. */
export function useAssociate() {
  return useChange<unknown, Cell>(
    ({ typeId, slot, firmwareId, associationId }) => {
      const path = associationsPath(typeId, slot);
      if (associationId === undefined) return { path, method: 'POST', body: { firmwareId } };
      return { path: `${path}/${associationId}`, method: 'DELETE' };
    },
    ['associations', 'summary'],
  );
}
