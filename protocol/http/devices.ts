import { z } from 'zod';
import { filterFault } from '../../domain/fleet/filter.js';
import { communicationInterval } from './device-types.js';
import { id, label, listOf, text, timestamp } from './envelope.js';

/** docs/contracts/rest-api.md, "Devices". */
const distinct = {
  check: (list: readonly string[]) => new Set(list).size === list.length,
  error: 'must not name the same twice',
};
const tag = z
  .string()
  .regex(/^[a-zA-Z0-9_-]+$/, { error: 'must consist of letters, digits, _ and -' })
  .max(255, { error: 'must have at most 255 characters' });
const tags = z.array(tag).max(100).refine(distinct.check, distinct.error).meta({ uniqueItems: true });
const aliases = z.array(label(1, 255)).max(100).refine(distinct.check, distinct.error).meta({
  uniqueItems: true,
  description: 'Other names, such as MAC addresses: unique per tenant, in messages only, never in paths',
});
const location = z
  .union([label(0, 1024), z.record(z.string(), z.unknown())])
  .meta({ description: 'Where it is, in words or as an object', example: 'siteA.buildingB.floorC.roomD' });
const coordinates = z.strictObject({ x: z.number().optional(), y: z.number().optional(), z: z.number().optional() });
const coordinatesPatch = z.strictObject({ x: z.number().nullish(), y: z.number().nullish(), z: z.number().nullish() });
const anything = z.record(z.string(), z.unknown());

const infoShape = {
  name: label(1, 255),
  deviceTypeId: id,
  description: text(0, 1024).nullish(),
  tags: tags.nullish(),
  connectedBy: id.nullish().meta({ description: 'The gateway, itself a device, that connects this one' }),
  aliases: aliases.nullish(),
  location: location.nullish(),
  coordinates: coordinates.nullish(),
  installationTimestamp: timestamp.nullish(),
  communicationInterval,
  reportsAs: label(1, 255).nullish().meta({
    description:
      'What the device calls its type in its hello, where that is neither the name, the model nor the id of its type: without it such a hello gets no offer',
  }),
};

const example = {
  info: {
    name: 'Switch 12',
    deviceTypeId: '123e4567-e89b-12d3-a456-426655440003',
    tags: ['north'],
    aliases: ['06-00-00-00-00-00'],
    location: 'siteA.buildingB',
  },
  configuration: { brightness: 60 },
  custom: { room: '12' },
};

/** A device to make or to put in the place of one (docs/contracts/rest-api.md, "Devices"). */
export const newDevice = z
  .strictObject({ info: z.strictObject(infoShape), configuration: anything.nullish(), custom: anything.nullish() })
  .meta({ id: 'NewDevice', example });

/** Parsed; `configuration` and `custom` are kept as they were sent. */
export type NewDevice = z.output<typeof newDevice>;

/** A merge patch: null deletes. What comes of it is checked against `newDevice`. */
export const devicePatch = z
  .strictObject({
    info: z
      .strictObject({
        ...infoShape,
        name: infoShape.name.optional(),
        deviceTypeId: id.optional(),
        coordinates: coordinatesPatch.nullish(),
      })
      .optional(),
    configuration: anything.nullish(),
    custom: anything.nullish(),
  })
  .meta({ id: 'DevicePatch', example: { info: { tags: ['north', 'lab'], description: null } } });

/** A device as it is answered, with what its connection says of it. */
export const device = z
  .strictObject({
    id,
    info: z.strictObject({
      name: z.string(),
      deviceTypeId: id,
      description: z.string().optional(),
      tags: z.array(z.string()),
      connectedBy: id.optional(),
      aliases: z.array(z.string()),
      location: location.optional(),
      coordinates: coordinates.optional(),
      installationTimestamp: timestamp.optional(),
      communicationInterval: z.int().optional(),
      reportsAs: z.string().optional(),
    }),
    configuration: anything.optional(),
    custom: anything.optional(),
    online: z
      .boolean()
      .meta({ description: 'From its hello, presence or any report, until it or the broker says otherwise' }),
    lastSeenAt: timestamp.optional(),
    agent: z
      .strictObject({ name: z.string(), version: z.string() })
      .optional()
      .meta({ description: 'The program that speaks for the device, as its hello names it' }),
    capabilities: z
      .strictObject({
        resume: z.boolean(),
        cancelDuringInstall: z.boolean(),
        hash: z.array(z.string()),
        maxSize: z.int().min(0).optional().meta({ description: 'Bytes; absent = no limit is known' }),
      })
      .optional()
      .meta({ description: 'What its hello says that it can do; absent where it has no such member' }),
    bootId: z.string().optional().meta({ description: 'Of the boot that its newest hello names' }),
    connection: z
      .strictObject({
        online: z.boolean(),
        node: id.optional().meta({ description: 'Whose connection serves it: the device or a gateway. Absent = none' }),
        reachable: z.boolean().optional().meta({ description: 'Of a child, as its gateway said last' }),
        helloAt: timestamp.optional(),
        saidDeviceType: z.string().optional().meta({ description: 'What its hello calls its type' }),
      })
      .optional()
      .meta({ description: 'In the answer about one device: how it is reached' }),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({
    id: 'Device',
    example: {
      id: '123e4567-e89b-12d3-a456-426655440002',
      ...example,
      online: true,
      lastSeenAt: '2026-11-24T10:00:04.000Z',
      createdAt: '2026-11-24T10:00:00.000Z',
      updatedAt: '2026-11-24T10:00:00.000Z',
    },
  });

/** Of any values: what is no id names no device. */
const list = listOf(z.string());

/**
 * Only checked here: it stays a text. Its length is a question of the language too, which answers with the position.
 * Blank, as from an empty form, it filters nothing.
 */
const filter = z
  .string()
  .transform((text) => (text.trim() === '' ? undefined : text))
  .superRefine((text, check) => {
    const fault = text === undefined ? undefined : filterFault(text);
    if (fault) check.addIssue({ code: 'custom', message: fault.detail, params: { position: fault.position } });
  });

/** A list matches any of its values; filters all match. */
export const deviceFilters = {
  deviceId: list.meta({ description: 'Comma list of ids' }),
  tag: list.meta({ description: 'Comma list of tags' }),
  connectedBy: list.meta({ description: "Comma list of gateways' ids" }),
  deviceTypeId: list.meta({ description: 'Comma list of ids' }),
  name: list.meta({ description: 'Comma list of names; * stands for any characters', example: 'Switch*' }),
  filter: filter.optional().meta({
    description:
      'RSQL: `==`, `!=`, `=in=(a,b)`, `=out=(a,b)`, `=gt=`, `=ge=`, `=lt=`, `=le=`; `;` and, `,` or, parentheses; `*` stands for any characters; a value with spaces or any of `"\'();,=!~<>` stands between quotes. ' +
      'Fields: `id`, `name`, `deviceType` (model or id), `deviceType.name`, `tag`, `connectedBy`, `site`, `custom.<key>`, `slot.<name>.version`, `online`, `lastSeenAt`, `createdAt`.',
    example: 'deviceType==LS-1;(tag=in=(north,lab),custom.floor==3);slot.firmware.version=lt=1.5.0',
  }),
};
