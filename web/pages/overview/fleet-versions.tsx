import type { ReactNode } from 'react';
import { useApi } from '../../service/queries.js';
import { withQuery } from '../../service/request.js';
import type { DeviceRow, DeviceType, Page, PageMeta } from '../../service/types.js';
import { Versions } from '../types/versions.js';
import type { VersionCount } from '../types/version-shares.js';

/** Of the types with the most devices: more would fill the page, and each is a pass over its devices. */
const SHOWN = 2;

type ByType = Page<DeviceRow, PageMeta & { readonly facets?: { readonly deviceType?: readonly VersionCount[] } }>;

/** Which versions the fleet holds, of the types that have the most devices. */
export function FleetVersions(): ReactNode {
  const counted = useApi<ByType>(withQuery('/v1/devices', { facets: 'deviceType', fields: 'id', pageSize: 1 }), {
    about: ['devices'],
  });
  const types = useApi<Page<DeviceType>>('/v1/device-types?pageSize=100&sort=name', { about: ['device types'] });
  const most = (counted.data?.meta.facets?.deviceType ?? []).slice(0, SHOWN);
  return most.map(({ value }) => {
    const type = types.data?.data.find(({ id }) => id === value);
    return type === undefined ? null : <Versions key={type.id} type={type} />;
  });
}
