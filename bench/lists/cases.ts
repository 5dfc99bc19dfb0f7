import { facetOf, type FacetCount } from '../../domain/fleet/facets.js';
import { readFacet } from '../../store/commands/device-rows.js';
import { listDevices, type DeviceFilter } from '../../store/commands/devices.js';
import { countTenant } from '../../store/commands/summary.js';
import {
  listInstallations,
  listOfDevice,
  readInstallationFacet,
  type InstallationFacet,
  type InstallationFilter,
} from '../../store/installations/views.js';
import type { PageRequest } from '../../store/db/page.js';
import type { Tx } from '../../store/db/pool.js';
import type { Filled } from './fill.js';

/** One list, as it is asked for over HTTP, and as the store reads it. */
export interface Case {
  readonly name: string;
  /** Whether it counts over all rows, so that scans are no faults. */
  readonly countsAll?: boolean;
  /** At most so many milliseconds at the 95th percentile. */
  readonly target?: number;
  of(filled: Filled): { readonly path: string; readonly read: (tx: Tx) => Promise<unknown> };
}

interface Wanted<Filter> {
  readonly filter?: Filter;
  readonly page?: Partial<PageRequest>;
}

const TENANT = 'default';

function devices(name: string, wanted: (filled: Filled) => Wanted<DeviceFilter>): Case {
  return {
    name: `devices, ${name}`,
    of(filled) {
      const { filter = {}, page = {} } = wanted(filled);
      return {
        path: pathOf('/v1/devices', { ...filter, ...page }),
        read: (tx) => listDevices(tx, TENANT, filter, { page: 0, pageSize: 20, ...page }),
      };
    },
  };
}

function installations(name: string, wanted: (filled: Filled) => Wanted<InstallationFilter>): Case {
  return {
    name: `installations, ${name}`,
    of(filled) {
      const { filter = {}, page = {} } = wanted(filled);
      return {
        path: pathOf('/v1/firmware-installations', { ...filter, ...page }),
        read: (tx) => listInstallations(tx, TENANT, filter, { page: 0, pageSize: 20, ...page }),
      };
    },
  };
}

/** The filters' names are the query's. */
function pathOf(path: string, query: object): string {
  const parts = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return parts.length === 0 ? path : `${path}${path.includes('?') ? '&' : '?'}${parts.join('&')}`;
}

export const DEVICE_CASES: readonly Case[] = [
  devices('the first 20', () => ({})),
  devices('the first 100', () => ({ page: { pageSize: 100 } })),
  devices('page 99 of 100', () => ({ page: { page: 99, pageSize: 100 } })),
  devices('by cursor, nine tenths down', ({ deviceCursor }) => ({ page: { cursor: deviceCursor } })),
  devices('a tag of one in ten', () => ({ filter: { tag: ['north'] } })),
  devices('a tag of one in ten thousand', () => ({ filter: { tag: ['rare'] } })),
  devices('a type of one in a thousand', ({ rareTypeId }) => ({ filter: { deviceTypeId: [rareTypeId] } })),
  devices('behind one gateway', ({ gatewayId }) => ({ filter: { connectedBy: [gatewayId] } })),
  devices('a name', () => ({ filter: { name: ['switch-004242'] } })),
  devices('names that begin so', () => ({ filter: { name: ['switch-0042*'] } })),
  devices('names that contain it', () => ({ filter: { name: ['*4242*'] } })),
  devices('filter: an attribute', () => ({ filter: { filter: 'attribute.serial==S4242' } })),
  devices('filter: a type, a tag and online', () => ({ filter: { filter: 'deviceType==rare;tag==all;online==true' } })),
  devices('filter: one of two fields', () => ({ filter: { filter: 'tag==rare,name==switch-0042*' } })),
  devices('a tag and names that begin so', () => ({ filter: { tag: ['lab'], name: ['switch-00*'] } })),
];

export const INSTALLATION_CASES: readonly Case[] = [
  installations('the first 20', () => ({})),
  installations('the first 100', () => ({ page: { pageSize: 100 } })),
  installations('page 99 of 100', () => ({ page: { page: 99, pageSize: 100 } })),
  installations('by cursor, nine tenths down', ({ installationCursor }) => ({ page: { cursor: installationCursor } })),
  installations('failed', () => ({ filter: { state: ['failed'] } })),
  installations('failed or timed out', () => ({ filter: { state: ['failed', 'timed_out'] } })),
  installations('of one slot', () => ({ filter: { slot: ['bootloader'] } })),
  installations('of a slot that has none', () => ({ filter: { slot: ['configuration'] } })),
  installations('of one rollout', ({ rolloutId }) => ({ filter: { rolloutId: [rolloutId] } })),
  installations('failed, of one rollout', ({ rolloutId }) => ({
    filter: { state: ['failed'], rolloutId: [rolloutId] },
  })),
  {
    name: 'installations, of one device',
    of: ({ deviceId }) => ({
      path: `/v1/devices/${deviceId}/firmware-installations`,
      read: (tx) => listOfDevice(tx, TENANT, deviceId, { latestOnly: false }, { page: 0, pageSize: 20 }),
    }),
  },
];

/** The page of a list with one row, and what is counted over all that the filter finds. */
function facets(
  name: string,
  path: string,
  names: readonly string[],
  read: (tx: Tx, name: string) => Promise<FacetCount[]>,
): Case {
  return {
    name,
    countsAll: true,
    of: () => ({
      path: pathOf(path, { facets: names, pageSize: 1 }),
      read: async (tx) => {
        for (const one of names) await read(tx, one);
      },
    }),
  };
}

const DEVICE_FACETS = ['deviceType', 'online', 'tag', 'connectedBy', 'slot.firmware.version'];
const INSTALLATION_FACETS: readonly InstallationFacet[] = ['state', 'slot', 'firmwareId', 'rolloutId'];

/** What a dashboard counts over the whole fleet. */
export const COUNT_CASES: readonly Case[] = [
  {
    name: 'the summary, as it is kept',
    countsAll: true,
    target: 20,
    of: () => ({ path: '/v1/summary', read: (tx) => countTenant(tx, TENANT) }),
  },
  facets('devices, each facet', '/v1/devices', DEVICE_FACETS, (tx, one) =>
    readFacet(tx, TENANT, {}, {}, facetOf(one)!),
  ),
  facets('devices of a tag of one in ten, each facet', '/v1/devices?tag=north', DEVICE_FACETS, (tx, one) =>
    readFacet(tx, TENANT, { tag: ['north'] }, {}, facetOf(one)!),
  ),
  facets('installations, each facet', '/v1/firmware-installations', INSTALLATION_FACETS, (tx, one) =>
    readInstallationFacet(tx, TENANT, {}, {}, one as InstallationFacet),
  ),
];
