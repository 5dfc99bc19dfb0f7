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
  .meta({
    id: 'DeviceSlot',
    example: {
      slot: 'firmware',
      name: 'Firmware',
      queued: 0,
      current: {
        version: '1.4.0',
        sha256: '60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752',
        confirmed: true,
        reportedAt: '2026-11-24T10:00:00.000Z',
      },
      desired: {
        installationId: '123e4567-e89b-12d3-a456-426655440001',
        firmwareId: '123e4567-e89b-12d3-a456-426655440000',
        name: 'Light switch',
        version: '1.5.0',
        sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
        state: 'downloading',
        executing: true,
        revision: 7,
      },
    },
  });

/** Who said it is told by the timeline, in words. */
export function printSlot<S extends { readonly current: object | null }>({ current, ...slot }: S): object {
  if (current === null) return { ...slot, current };
  return {
    ...slot,
    current: Object.fromEntries(Object.entries(current).filter(([member]) => member !== 'reportedBy')),
  };
}

/** Why a message of a device was refused, newest first in its list. `reason` is for programs, `detail` for people. */
export const diagnostic = z
  .strictObject({
    at: timestamp,
    reason: z.string(),
    detail: z.string(),
    topic: z.string().optional(),
    payload: z.string().optional().meta({ description: 'The first 512 characters' }),
  })
  .meta({
    id: 'Diagnostic',
    example: {
      at: '2026-11-24T10:00:00.000Z',
      reason: 'stale_attempt',
      detail: 'the report is about an attempt that is over; only the newest attempt counts',
      topic: 'slipway/v1/default/123e4567-e89b-12d3-a456-426655440002/123e4567-e89b-12d3-a456-426655440002/up/status',
      payload: '{"v":1,"installationId":"123e4567-e89b-12d3-a456-426655440001","attempt":1}',
    },
  });
