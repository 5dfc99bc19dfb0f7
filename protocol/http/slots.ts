import { z } from 'zod';
import { id, timestamp } from './envelope.js';

/** What a slot of a device holds, as far as the device said, and what is on its way into it. */
export const deviceSlot = z
  .strictObject({
    slot: z.string(),
    name: z.string().optional().meta({ description: 'Its display name, from the device type' }),
    current: z
      .strictObject({
        version: z.string().nullable(),
        sha256: z.string().nullable(),
        firmwareId: id.optional(),
        installationId: id.optional().meta({ description: 'What brought it here' }),
        confirmed: z.boolean().meta({ description: 'The content itself reported after its start' }),
        reportedAt: timestamp.optional(),
      })
      .nullable()
      .meta({ description: 'null = the device has not said' }),
    desired: z
      .strictObject({
        installationId: id,
        firmwareId: id,
        name: z.string(),
        version: z.string().nullable(),
        sha256: z.string(),
        state: z.string(),
        executing: z.boolean().meta({ description: 'false = it waits for its turn on the device' }),
        revision: z.int().optional(),
      })
      .nullable()
      .meta({ description: 'null = nothing is to change' }),
    queued: z.int().meta({ description: 'Open installations of this slot behind the desired one' }),
  })
  .meta({ id: 'DeviceSlot' });

export const diagnostic = z
  .strictObject({
    at: timestamp,
    reason: z.string(),
    detail: z.string(),
    topic: z.string().optional(),
    payload: z.string().optional().meta({ description: 'The first 512 characters' }),
  })
  .meta({ id: 'Diagnostic' });
