import { z } from 'zod';
import { id, label, listOf, namePart, text, timestamp } from './envelope.js';

/** docs/contracts/rest-api.md, "Device types and slots". */
export const slotName = z
  .string()
  .regex(/^[a-zA-Z0-9_]+$/, { error: 'must consist of letters, digits and _' })
  .max(255, { error: 'must have at most 255 characters' })
  // A slot that no topic can carry would take installations, and never get a document (protocol/mqtt/topics.ts).
  .refine((name) => !(name in Object.prototype), {
    error: 'must not be what every object has by itself, such as "constructor"',
  });

/** Longest silence that is watched: two days, in seconds. */
const MAX_COMMUNICATION_INTERVAL = 172_800;

/** How long a device may be silent, in seconds; null or absent = not monitored. */
export const communicationInterval = z
  .int()
  .min(0)
  .max(MAX_COMMUNICATION_INTERVAL)
  .nullish()
  .meta({ description: 'Seconds; null = not monitored' });

const urn = z
  .string()
  .max(255)
  .regex(/^urn:[a-zA-Z0-9][a-zA-Z0-9-]{0,31}:[!-~]+$/, {
    error: 'must be a URN such as urn:oma:lwm2m:ext:3001 (RFC 8141)',
  });

/** What devices of the type know: JSON Schemas by the name of the value, kept as they are. */
const vocabulary = z.record(z.string(), z.record(z.string(), z.unknown())).meta({ id: 'Vocabulary' });

const reportingRule = z
  .strictObject({
    path: label(1, 1024).meta({
      description: 'JSONPath into configuration, attributes or events',
      example: '$.configuration.brightness',
    }),
    reportTo: z.array(label(1, 255)).max(100),
  })
  .meta({ id: 'ReportingRule' });

const typeSchema = z
  .strictObject({
    configuration: vocabulary.optional(),
    attributes: vocabulary.optional(),
    events: vocabulary.optional(),
    actions: vocabulary.optional(),
  })
  .meta({ id: 'TypeSchema' });

/** What clients of hawkBit call the slot, where they want another name: `os`, `bApp`. */
const part = label(1, 64).optional();

/** Whether an installation waits until a person at the device agrees: asked over hawkBit's interface only. */
const askedBefore = z.literal('required', { error: 'must be "required" or null' }).nullish();

const slots = z.record(slotName, z.strictObject({ name: label(1, 255), part })).meta({ id: 'TypeSlots' });

const example = {
  name: 'Light switch',
  manufacturer: 'Example',
  model: 'LS-1',
  categories: ['urn:oma:lwm2m:ext:3001'],
  reportingRules: [{ path: '$.configuration.brightness', reportTo: ['timeseries'] }],
  schema: { configuration: { brightness: { type: 'number', minimum: 0, maximum: 100 } } },
  slots: { firmware: { name: 'Firmware' }, bootloader: { name: 'Bootloader' } },
  communicationInterval: 3600,
};

/** A device type to make or to put in the place of one (docs/contracts/rest-api.md, "Device types and slots"). */
export const newDeviceType = z
  .strictObject({
    name: label(1, 255),
    manufacturer: label(0, 255).nullish(),
    model: label(0, 255).nullish(),
    description: text(0, 1024).nullish(),
    categories: z.array(urn).max(100).default([]),
    reportingRules: z.array(reportingRule).max(1000).default([]),
    schema: typeSchema.default({}),
    slots: slots.default({}),
    communicationInterval,
    confirmation: askedBefore,
  })
  .meta({ id: 'NewDeviceType', example });

/** Parsed, with every default filled in. */
export type NewDeviceType = z.output<typeof newDeviceType>;

/** Members of a vocabulary may be patched or deleted one by one. */
const vocabularyPatch = z
  .record(z.string(), z.record(z.string(), z.unknown()).nullable())
  .nullable()
  .meta({ id: 'VocabularyPatch' })
  .optional();

/** A merge patch: null deletes. What comes of it is checked against `newDeviceType`. */
export const deviceTypePatch = z
  .strictObject({
    name: label(1, 255).optional(),
    manufacturer: label(0, 255).nullish(),
    model: label(0, 255).nullish(),
    description: text(0, 1024).nullish(),
    categories: z.array(urn).max(100).nullish(),
    reportingRules: z.array(reportingRule).max(1000).nullish(),
    schema: z
      .strictObject({
        configuration: vocabularyPatch,
        attributes: vocabularyPatch,
        events: vocabularyPatch,
        actions: vocabularyPatch,
      })
      .nullish(),
    slots: z
      .record(slotName, z.strictObject({ name: label(1, 255).optional(), part: label(1, 64).nullish() }).nullable())
      .nullish(),
    communicationInterval,
    confirmation: askedBefore,
  })
  .meta({ id: 'DeviceTypePatch', example: { slots: { configuration: { name: 'Configuration' } } } });

/** The filters of the list, as members of its query. */
export const deviceTypeFilters = {
  q: namePart,
  name: listOf(z.string()).meta({ description: 'Comma list of names; * stands for any characters' }),
};

/** A device type as it is answered. */
export const deviceType = z
  .strictObject({
    id,
    name: z.string(),
    manufacturer: z.string().optional(),
    model: z.string().optional(),
    description: z.string().optional(),
    categories: z.array(z.string()),
    reportingRules: z.array(z.strictObject({ path: z.string(), reportTo: z.array(z.string()) })),
    schema: typeSchema,
    slots,
    communicationInterval: z.int().nullable(),
    confirmation: z.literal('required').optional(),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({
    id: 'DeviceType',
    example: {
      id: '123e4567-e89b-12d3-a456-426655440003',
      ...example,
      createdAt: '2026-11-24T10:00:00.000Z',
      updatedAt: '2026-11-24T10:00:00.000Z',
    },
  });

/** Which firmware may be installed into the slot that the path names. */
export const newAssociation = z
  .strictObject({ firmwareId: id })
  .meta({ id: 'NewFirmwareAssociation', example: { firmwareId: '123e4567-e89b-12d3-a456-426655440000' } });

/** One firmware that may be installed into one slot of one device type. */
export const association = z.strictObject({ id, deviceTypeId: id, slotName, firmwareId: id }).meta({
  id: 'FirmwareAssociation',
  example: {
    id: '123e4567-e89b-12d3-a456-426655440004',
    deviceTypeId: '123e4567-e89b-12d3-a456-426655440003',
    slotName: 'firmware',
    firmwareId: '123e4567-e89b-12d3-a456-426655440000',
  },
});
