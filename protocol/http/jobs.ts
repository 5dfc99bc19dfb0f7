import { z } from 'zod';
import { JOB_STATES, ON_CONFLICT } from '../../domain/fleet/job.js';
import { deviceFilters, newDevice } from './devices.js';
import { id, label, timestamp } from './envelope.js';

/** Work over many devices (docs/contracts/operators.md, "Devices in bulk"). */

/** A line of an import, and of the export: a device as `POST /v1/devices` takes it, and its id. */
export const importedDevice = z.strictObject({
  id: id.optional().meta({ description: 'Of a device that is there, or the one that it is to have' }),
  ...newDevice.shape,
});

/** The query of an import. */
export const importQuery = z.strictObject({
  dryRun: z.boolean().default(false).meta({ description: 'Looks at every line, and writes nothing' }),
  onConflict: z
    .enum(ON_CONFLICT, { error: `must be one of ${ON_CONFLICT.join(', ')}` })
    .default('fail')
    .meta({
      description:
        'What happens where a device has the id or an alias of a line already. fail: nothing of the file is written, as with any other fault',
    }),
  credentials: z
    .enum(['password'], { error: 'must be password' })
    .optional()
    .meta({ description: 'Makes a password for each device that connects itself and has none. They are the result' }),
});

/** The query of the export. */
export const exportQuery = z.strictObject({ filter: deviceFilters.filter });

const tag = z
  .string()
  .regex(/^[a-zA-Z0-9_-]+$/, { error: 'must consist of letters, digits, _ and -' })
  .max(255, { error: 'must have at most 255 characters' });
/** What each action needs, and may have, beside the filter. */
const MEMBERS = {
  tag: { needs: ['tag'], may: [] },
  untag: { needs: ['tag'], may: [] },
  setAttribute: { needs: ['key', 'value'], may: [] },
  cancel: { needs: [], may: ['reason'] },
  retry: { needs: [], may: [] },
  delete: { needs: [], may: ['force'] },
} as const satisfies Record<string, { needs: readonly string[]; may: readonly string[] }>;
const ACTIONS = ['tag', 'untag', 'setAttribute', 'cancel', 'retry', 'delete'] as const;
const OPTIONAL = ['tag', 'key', 'value', 'reason', 'force'] as const;

/** What is done to each device that a filter matches. */
export const bulkBody = z
  .strictObject({
    action: z.enum(ACTIONS, { error: `must be one of ${ACTIONS.join(', ')}` }),
    filter: z.string().max(8_192).meta({ description: 'RSQL, as of the list of devices' }),
    dryRun: z.boolean().default(false).meta({ description: 'Counts the devices, and does nothing' }),
    tag: tag.optional().meta({ description: 'Of tag and untag' }),
    key: label(1, 255).optional().meta({ description: 'Of setAttribute: the key in `custom`' }),
    value: z.unknown().optional().meta({ description: 'Of setAttribute: JSON; null takes the key away' }),
    reason: label(1, 255).optional().meta({ description: 'Of cancel' }),
    force: z.boolean().optional().meta({ description: 'Of delete' }),
  })
  .superRefine((body, check) => {
    const { needs, may }: { needs: readonly string[]; may: readonly string[] } = MEMBERS[body.action];
    for (const name of OPTIONAL) {
      const isThere = body[name] !== undefined;
      if (needs.includes(name) && !isThere)
        check.addIssue({ code: 'custom', path: [name], message: `is needed by the action ${body.action}` });
      if (isThere && !needs.includes(name) && !may.includes(name))
        check.addIssue({ code: 'custom', path: [name], message: `does not belong to the action ${body.action}` });
    }
  })
  .meta({ id: 'BulkAction', example: { action: 'tag', tag: 'north', filter: 'site==hamburg' } });

/** A body that passed: which members there are follows from the action. */
export type BulkAction = { readonly filter: string; readonly dryRun: boolean } & (
  | { readonly action: 'tag' | 'untag'; readonly tag: string }
  | { readonly action: 'setAttribute'; readonly key: string; readonly value: unknown }
  | { readonly action: 'cancel'; readonly reason?: string | undefined }
  | { readonly action: 'retry' }
  | { readonly action: 'delete'; readonly force?: boolean | undefined }
);

/** How a job stands. */
export const job = z
  .strictObject({
    id,
    kind: z.enum(['import', 'bulk']),
    state: z.enum(JOB_STATES),
    spec: z.record(z.string(), z.unknown()).meta({ description: 'What was asked for' }),
    createdBy: z.string(),
    createdAt: timestamp,
    startedAt: timestamp.nullable(),
    endedAt: timestamp.nullable(),
    total: z.int().meta({ description: 'Lines, or devices' }),
    done: z.int(),
    failed: z.int(),
    skipped: z.int().meta({ description: 'Left out, because onConflict=skip' }),
    errors: z
      .array(z.strictObject({ line: z.int(), pointer: z.string(), detail: z.string() }))
      .meta({ description: 'The first 100' }),
    resultUntil: timestamp.nullable().meta({ description: 'Until when its maker can read the result' }),
    waitingOn: z.string().nullable().meta({ description: 'Why it is held' }),
  })
  .meta({
    id: 'Job',
    example: {
      id: '123e4567-e89b-12d3-a456-426655440010',
      kind: 'import',
      state: 'running',
      spec: { onConflict: 'fail', dryRun: false },
      createdBy: 'key:admin',
      createdAt: '2026-11-24T10:00:00.000Z',
      startedAt: '2026-11-24T10:00:01.000Z',
      endedAt: null,
      total: 100_000,
      done: 31_500,
      failed: 0,
      skipped: 0,
      errors: [],
      resultUntil: null,
      waitingOn: null,
    },
  });
