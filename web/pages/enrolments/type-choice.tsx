import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { Choice } from '../../design/field.js';
import { useApi } from '../../service/queries.js';
import type { DeviceType, Page } from '../../service/types.js';

/** Which device type is chosen: the first one until another is. */
export interface ChosenType {
  readonly types: readonly DeviceType[] | undefined;
  readonly typeId: string;
  /** Why nothing can be sent; undefined where a type is chosen. */
  readonly missing: string | undefined;
  readonly choose: (typeId: string) => void;
}

/** The types that there are, and the one that is chosen. */
export function useTypeChoice(): ChosenType {
  const [chosen, choose] = useState('');
  const types = useApi<Page<DeviceType>>('/v1/device-types?pageSize=100&sort=name', { about: ['device types'] }).data
    ?.data;
  const typeId = chosen === '' ? (types?.[0]?.id ?? '') : chosen;
  return { types, typeId, choose, missing: typeId === '' ? 'There is no device type yet.' : undefined };
}

/** The field in which it is chosen. */
export function TypeChoice({ of: { types, typeId, choose } }: { readonly of: ChosenType }): ReactNode {
  if (types?.length === 0)
    return (
      <p>
        There is no device type yet. <Link to="/types">Make one</Link>
      </p>
    );
  return (
    <Choice
      label="Device type"
      value={typeId}
      options={types?.map(({ id, name }) => [id, name] as const) ?? []}
      onChoose={choose}
    />
  );
}
