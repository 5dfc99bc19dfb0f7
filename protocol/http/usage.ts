import { z } from 'zod';
import { id, rolloutPhase, timestamp } from './envelope.js';
import { rolloutTarget } from './rollout-parts.js';

const count = z.int().min(0);
/** What a rollout is called, and how it stands. */
const named = { id, name: z.string(), phase: rolloutPhase, createdAt: timestamp };

/** Where a firmware is used (docs/contracts/rest-api.md, "Firmware"). */
export const firmwareUsage = z
  .strictObject({
    associations: z.array(z.strictObject({ id, deviceTypeId: id, deviceType: z.string(), slot: z.string() })),
    associationsTotal: count,
    rollouts: z.array(z.strictObject(named)),
    rolloutsTotal: count,
    slots: z
      .array(z.strictObject({ slot: z.string(), devices: count }))
      .meta({ description: 'Devices that said that the slot holds this content' }),
    openInstallations: count,
  })
  .meta({
    id: 'FirmwareUsage',
    example: {
      associations: [
        {
          id: '123e4567-e89b-12d3-a456-426655440005',
          deviceTypeId: '123e4567-e89b-12d3-a456-426655440003',
          deviceType: 'Switch',
          slot: 'firmware',
        },
      ],
      associationsTotal: 1,
      rollouts: [],
      rolloutsTotal: 0,
      slots: [{ slot: 'firmware', devices: 120 }],
      openInstallations: 0,
    },
  });

/** A rollout that a device is a target of (docs/contracts/rest-api.md, "Devices"). */
export const deviceRollout = z.strictObject({ ...named, target: rolloutTarget }).meta({
  id: 'DeviceRollout',
  example: {
    id: '123e4567-e89b-12d3-a456-426655440010',
    name: 'switch 1.5.0',
    phase: 'running',
    createdAt: '2026-11-24T10:00:00.000Z',
    target: {
      deviceId: '123e4567-e89b-12d3-a456-426655440002',
      group: 'canary',
      state: 'pending',
      attempt: 0,
    },
  },
});
