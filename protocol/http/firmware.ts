import { z } from 'zod';
import type { Firmware } from '../../domain/artifact/firmware.js';
import { id, label, listOf, namePart, text, timestamp } from './envelope.js';

/** docs/contracts/rest-api.md, "Firmware". */
const DEFAULT_CONTENT_TYPE = 'application/octet-stream';
const contentType = z
  .string()
  .max(127)
  .regex(/^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/, {
    error: 'must be a media type without parameters, such as application/gzip',
  });
const MAX_LABELS = 64;
const sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, { error: 'must be a SHA-256 in hex: 64 digits' })
  .toLowerCase();
/** Those that a list shows: of what was deleted only a tombstone stays. */
const FIRMWARE_STATES = ['draft', 'ready', 'expired'] as const;
const labels = z
  .record(label(1, 63), label(0, 255))
  .refine((value) => Object.keys(value).length <= MAX_LABELS, { error: `must be at most ${MAX_LABELS} labels` })
  .meta({ maxProperties: MAX_LABELS });

/** Metadata only; the bytes follow in a request of their own (docs/contracts/rest-api.md, "Firmware"). */
export const newFirmware = z
  .strictObject({
    name: label(1, 255),
    description: text(0, 255).nullish(),
    version: label(0, 255).nullish(),
    contentType: contentType.default(DEFAULT_CONTENT_TYPE).meta({ description: 'What the blob is served as' }),
    labels: labels.default({}),
    sha256: sha256.optional().meta({ description: 'What the blob is: an upload of other bytes is refused with 422' }),
    size: z.int().min(1).optional().meta({ description: 'Bytes of the blob, likewise' }),
  })
  .meta({
    id: 'NewFirmware',
    example: { name: 'Light switch', description: 'Fixes the flicker at 10 %', version: '1.5.0' },
  });

/** The filters of the list, as members of its query. */
export const firmwareFilters = {
  q: namePart,
  name: listOf(z.string()).meta({ description: 'Comma list of names; * stands for any characters' }),
  version: listOf(z.string()).meta({ description: 'Comma list of versions; * stands for any characters' }),
  sha256: listOf(sha256).meta({ description: 'Comma list of hashes: 64 hex digits each' }),
  state: listOf(z.enum(FIRMWARE_STATES)).meta({ description: `Comma list: ${FIRMWARE_STATES.join(', ')}` }),
};

const FIRMWARE_EXAMPLE = {
  id: '123e4567-e89b-12d3-a456-426655440000',
  tenantId: 'default',
  name: 'Light switch',
  description: 'Fixes the flicker at 10 %',
  version: '1.5.0',
  blobAttached: true,
  state: 'ready',
  size: 20_971_520,
  downloadUrl:
    'https://slipway.example/download/firmwares/default/123e4567-e89b-12d3-a456-426655440000?expires=1795514700&sig=…',
  hashes: ['12209f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
  sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  contentType: DEFAULT_CONTENT_TYPE,
  labels: {},
  createdBy: 'key:admin',
  createdAt: '2026-11-24T10:00:00.000Z',
  updatedAt: '2026-11-24T10:00:05.000Z',
};

/** Before its blob is attached. */
export const DRAFT_EXAMPLE = {
  id: FIRMWARE_EXAMPLE.id,
  tenantId: 'default',
  name: 'Light switch',
  description: 'Fixes the flicker at 10 %',
  version: '1.5.0',
  blobAttached: false,
  state: 'draft',
  contentType: DEFAULT_CONTENT_TYPE,
  labels: {},
  createdBy: 'key:admin',
  createdAt: '2026-11-24T10:00:00.000Z',
  updatedAt: '2026-11-24T10:00:00.000Z',
};

/** Firmware as it is answered. `size` is bytes. */
export const firmware = z
  .strictObject({
    id,
    tenantId: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    version: z.string().nullable(),
    blobAttached: z.boolean(),
    state: z.enum(['draft', 'ready', 'expired', 'retired']),
    size: z.int().min(0).optional().meta({ description: 'Bytes; there once a blob is attached' }),
    downloadUrl: z.string().optional().meta({
      description:
        'Works by itself, without a token, for some minutes: each answer has a fresh one. There once a blob is attached',
    }),
    hashes: z
      .array(z.string())
      .optional()
      .meta({ description: 'Multihashes in hex; SHA2-256 is 1220 and 64 digits. There once a blob is attached' }),
    sha256: z.string().optional(),
    contentType: z.string(),
    expected: z
      .strictObject({ sha256: z.string().optional(), size: z.int().optional() })
      .optional()
      .meta({ description: 'What the blob must be, where that was said when the firmware was created' }),
    labels: z.record(z.string(), z.string()),
    createdBy: z.string(),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'Firmware', example: FIRMWARE_EXAMPLE });

/** The answer to an upload. */
export const attached = z
  .strictObject({ downloadUrl: z.string() })
  .meta({ id: 'AttachedBlob', example: { downloadUrl: FIRMWARE_EXAMPLE.downloadUrl } });

/** The query of a DELETE of firmware. */
export const deletion = z.strictObject({
  force: z
    .boolean()
    .default(false)
    .meta({ description: 'Cancels the installations that have not ended, instead of refusing' }),
});

/** `downloadUrl` is asked for only where there is a blob. */
export function printFirmware(f: Firmware, downloadUrl: (id: string) => string): z.input<typeof firmware> {
  return {
    id: f.id,
    tenantId: f.tenantId,
    name: f.name,
    description: f.description,
    version: f.version,
    blobAttached: f.content !== null,
    state: f.state,
    ...(f.content === null
      ? {}
      : {
          size: f.content.size,
          downloadUrl: downloadUrl(f.id),
          hashes: [multihash(f.content.sha256)],
          sha256: f.content.sha256,
        }),
    contentType: f.contentType,
    ...(f.expected === null ? {} : { expected: f.expected }),
    labels: { ...f.labels },
    createdBy: f.createdBy,
    createdAt: new Date(f.createdAt).toISOString(),
    updatedAt: new Date(f.updatedAt).toISOString(),
  };
}

/** https://multiformats.io/multihash: 0x12 is SHA2-256, 0x20 its length in bytes. */
function multihash(sha256: string): string {
  return `1220${sha256}`;
}
