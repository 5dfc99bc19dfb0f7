import { z } from 'zod';
import { facetOf } from '../../domain/fleet/facets.js';
import { device, deviceFilters } from './devices.js';
import {
  DEFAULT_PAGE_SIZE,
  id,
  installationState,
  listOf,
  listQuery,
  MAX_PAGE_SIZE,
  meta,
  META_OF_ONE,
} from './envelope.js';

/** Rows of a page where `fields` is given: compact ones are some two hundred bytes. */
export const MAX_COMPACT_PAGE_SIZE = 1_000;

/** Members of a compact row that may be asked for. */
export const ROW_FIELDS = ['id', 'name', 'online', 'versions', 'installation'] as const;
/** A member of a compact row. */
export type RowField = (typeof ROW_FIELDS)[number];

/** More would be a report, and cost a pass over the fleet each. */
const MAX_FACETS = 5;

const facet = z.string().refine((name) => facetOf(name) !== undefined, {
  error: 'must be deviceType, online, tag, connectedBy or slot.<name>.version',
});

/** The query of the list of devices. */
export const deviceListQuery = listQuery(
  {
    ...deviceFilters,
    pageSize: z
      .int()
      .min(1)
      .max(MAX_COMPACT_PAGE_SIZE)
      .default(DEFAULT_PAGE_SIZE)
      .meta({ description: `Above ${MAX_PAGE_SIZE} only with fields` }),
    fields: listOf(z.enum(ROW_FIELDS))
      .optional()
      .meta({ description: `Compact rows with these members: ${ROW_FIELDS.join(', ')}`, example: 'id,name,online' }),
    facets: listOf(facet)
      .refine((list) => (list?.length ?? 0) <= MAX_FACETS, { error: `must name at most ${MAX_FACETS}` })
      .optional()
      .meta({
        description: 'Comma list of deviceType, online, tag, connectedBy, slot.<name>.version: counted in meta.facets',
        example: 'deviceType,online,slot.firmware.version',
      }),
  },
  ['createdAt', 'name'],
).superRefine(({ pageSize, fields }, context) => {
  if (pageSize > MAX_PAGE_SIZE && fields === undefined)
    context.addIssue({
      code: 'custom',
      path: ['pageSize'],
      message: `must be at most ${MAX_PAGE_SIZE}; up to ${MAX_COMPACT_PAGE_SIZE} with fields=${ROW_FIELDS.join(',')}`,
    });
});

/** A device in a few members (docs/contracts/rest-api.md, "Devices"). */
export const deviceRow = z
  .strictObject({
    id: id.optional(),
    name: z.string().optional(),
    online: z.boolean().optional(),
    versions: z
      .record(z.string(), z.string().nullable())
      .optional()
      .meta({ description: 'By slot: what the device said that it holds; null = content without a known version' }),
    installation: z
      .strictObject({ id, slot: z.string(), state: installationState, waitingOn: z.string().nullable() })
      .nullable()
      .optional()
      .meta({ description: 'The open one that executes, else the next in turn; null = none is open' }),
  })
  .meta({ id: 'DeviceRow' });

/** A compact row as the store knows it. */
export interface PrintableRow {
  readonly id: string;
  readonly name: string;
  readonly online: boolean;
  readonly versions: Readonly<Record<string, string | null>>;
  readonly installation: Readonly<Exclude<z.input<typeof deviceRow>['installation'], undefined>>;
}

/** The members of a row that were asked for, in the order of the row. */
export function printRow(row: PrintableRow, fields: readonly RowField[]): z.input<typeof deviceRow> {
  const { id, name, online, versions, installation: open } = row;
  const installation = open && { id: open.id, slot: open.slot, state: open.state, waitingOn: open.waitingOn };
  const printed = { id, name, online, versions, installation };
  return Object.fromEntries(Object.entries(printed).filter(([key]) => (fields as readonly string[]).includes(key)));
}

const facetCounts = z
  .record(z.string(), z.array(z.strictObject({ value: z.string().nullable(), count: z.int().min(1) })))
  .meta({
    description: 'Of all that the filters find, the most frequent values first, at most 100; null = none',
    id: 'Facets',
  });

/** `meta` of a list that is counted by facets. */
export const facetedMeta = z
  .strictObject({ ...meta.shape, facets: facetCounts.optional() })
  .meta({ id: 'FacetedPageMeta' });

const EXAMPLE = {
  data: [
    {
      id: '123e4567-e89b-12d3-a456-426655440002',
      name: 'Switch 12',
      online: true,
      versions: { firmware: '1.4.0' },
      installation: null,
    },
  ],
  meta: { ...META_OF_ONE, facets: { online: [{ value: 'true', count: 1 }] } },
};

/** The answer of the list of devices. */
export const devicePage = z
  .strictObject({
    data: z.union([z.array(device), z.array(deviceRow)]).meta({ description: 'Compact rows where fields is given' }),
    meta: facetedMeta,
  })
  .meta({ example: EXAMPLE });
