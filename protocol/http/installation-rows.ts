import { z } from 'zod';
import { facetedMeta, MAX_COMPACT_PAGE_SIZE } from './device-rows.js';
import {
  DEFAULT_PAGE_SIZE,
  id,
  installationState,
  listOf,
  listQuery,
  MAX_PAGE_SIZE,
  META_OF_ONE,
  timestamp,
} from './envelope.js';
import { installation, printInstallation } from './installation.js';
import { INSTALLATION_SORTS, installationFilters } from './installations.js';

/** Members of a compact row that may be asked for. */
const FIELDS = ['id', 'deviceId', 'firmwareId', 'slot', 'state', 'rolloutId', 'requestedAt', 'waitingOn'] as const;
const FACETS = ['state', 'slot', 'firmwareId', 'rolloutId'] as const;

/** The query of the list of installations across devices. */
export const installationListQuery = listQuery(
  {
    ...installationFilters,
    pageSize: z
      .int()
      .min(1)
      .max(MAX_COMPACT_PAGE_SIZE)
      .default(DEFAULT_PAGE_SIZE)
      .meta({ description: `Above ${MAX_PAGE_SIZE} only with fields` }),
    fields: listOf(z.enum(FIELDS)).meta({ description: `Compact rows with these members: ${FIELDS.join(', ')}` }),
    facets: listOf(z.enum(FACETS)).meta({ description: `Comma list of ${FACETS.join(', ')}: counted in meta.facets` }),
  },
  INSTALLATION_SORTS,
).superRefine(({ pageSize, fields }, context) => {
  if (pageSize > MAX_PAGE_SIZE && fields === undefined)
    context.addIssue({
      code: 'custom',
      path: ['pageSize'],
      message: `must be at most ${MAX_PAGE_SIZE}; up to ${MAX_COMPACT_PAGE_SIZE} with fields=${FIELDS.join(',')}`,
    });
});

const row = z
  .strictObject({
    id: id.optional(),
    deviceId: id.optional(),
    firmwareId: id.optional(),
    slot: z.string().optional(),
    state: installationState.optional(),
    rolloutId: id.nullable().optional(),
    requestedAt: timestamp.optional(),
    waitingOn: z.string().nullable().optional(),
  })
  .meta({ id: 'FirmwareInstallationRow' });

/** The answer of the list of installations across devices. */
export const installationPage = z
  .strictObject({
    data: z.union([z.array(installation), z.array(row)]).meta({ description: 'Compact rows where fields is given' }),
    meta: facetedMeta,
  })
  .meta({
    example: {
      data: [{ id: '123e4567-e89b-12d3-a456-426655440001', state: 'installed', waitingOn: null }],
      meta: { ...META_OF_ONE, facets: { state: [{ value: 'installed', count: 1 }] } },
    },
  });

/** The members of an installation that were asked for. */
export function printInstallationRow(
  view: Parameters<typeof printInstallation>[0],
  fields: readonly (typeof FIELDS)[number][],
): z.input<typeof row> {
  const printed = printInstallation(view, null);
  return Object.fromEntries(fields.map((field) => [field, printed[field]]));
}
