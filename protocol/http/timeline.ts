import { z } from 'zod';
import { slotNow, type SlotFacts } from '../../domain/fleet/device-now.js';
import { sentenceOf, type TimelineEntry } from '../../domain/fleet/timeline.js';
import { DEFAULT_PAGE_SIZE, id, MAX_PAGE_SIZE, meta, META_OF_ONE, timeFilter, timestamp } from './envelope.js';

/** Long: `cursor` in place of `page` (docs/contracts/rest-api.md, "Conventions"). */
export const timelineQuery = z.strictObject({
  pageSize: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  cursor: z.string().max(1_024).optional().meta({ description: 'What `meta.nextCursor` of the answer before said' }),
  since: timeFilter('Only what happened at this time or later'),
  until: timeFilter('Only what happened before this time'),
});

const now = z.strictObject({
  slot: z.string(),
  version: z.string().nullable().meta({ description: 'As the device said it' }),
  why: z.string().meta({ description: 'Why it has the version that it has' }),
  whyNow: z.string().nullable().meta({ description: 'Why something changes now; null = nothing does' }),
  waitingOn: z.array(z.string()).meta({ description: 'What it waits for; empty = nothing is to change' }),
});

const entry = z.strictObject({
  at: timestamp,
  sentence: z.string(),
  installationId: id.optional(),
  rolloutId: id.optional(),
});

const INSTALLATION = '123e4567-e89b-12d3-a456-426655440001';
const ROLLOUT = '123e4567-e89b-12d3-a456-426655440010';

/** What each slot holds and why, and what happened before (docs/contracts/rollouts.md, "History"). */
export const timeline = z
  .strictObject({
    data: z.strictObject({ now: z.array(now), entries: z.array(entry).meta({ description: 'Newest first' }) }),
    meta,
  })
  .meta({
    id: 'DeviceTimeline',
    example: {
      data: {
        now: [
          {
            slot: 'firmware',
            version: '1.4.0',
            why: 'Slot "firmware" holds 1.4.0, because operator key:admin requested it at 2026-10-01T08:00:00.000Z.',
            whyNow: 'Rollout "switch 1.5.0" (group "canary") requested 1.5.0 at 2026-11-24T10:00:00.000Z.',
            waitingOn: [
              'Waiting for the device to accept the offer, since 2026-11-24T10:00:00.000Z, until 2026-11-24T11:00:00.000Z.',
            ],
          },
        ],
        entries: [
          {
            at: '2026-11-24T10:00:00.100Z',
            sentence: 'Firmware 1.5.0 was offered to the device.',
            installationId: INSTALLATION,
            rolloutId: ROLLOUT,
          },
          {
            at: '2026-11-24T10:00:00.000Z',
            sentence: 'Rollout "switch 1.5.0", group "canary", requested firmware 1.5.0 for slot "firmware".',
            installationId: INSTALLATION,
            rolloutId: ROLLOUT,
          },
        ],
      },
      meta: { ...META_OF_ONE, itemsTotal: 2 },
    },
  });

/** The present of one slot; `version` null = unknown. */
export function printNow(facts: SlotFacts): z.input<typeof now> {
  const { why, whyNow, waitingOn } = slotNow(facts);
  return { slot: facts.slot, version: facts.current?.version ?? null, why, whyNow, waitingOn: [...waitingOn] };
}

/** One event as a sentence. `rolloutId` is absent where no rollout caused it. */
export function printEntry(of: TimelineEntry): z.input<typeof entry> {
  return {
    at: new Date(of.at).toISOString(),
    sentence: sentenceOf(of),
    ...(of.installationId === null ? {} : { installationId: of.installationId }),
    ...(of.rollout === null ? {} : { rolloutId: of.rollout.id }),
  };
}
