import { z } from 'zod';
import { STANDINGS, type Standing } from '../../domain/fleet/standing.js';
import { OPEN_STATES, type State } from '../../domain/installation/states.js';
import { PHASES, type Phase } from '../../domain/rollout/phase.js';
import { id, timestamp } from './envelope.js';
import { isoTime } from './print-plan.js';

const count = z.int().min(0);
const counts = <N extends string>(names: readonly N[]) =>
  z.strictObject(Object.fromEntries(names.map((name) => [name, count])) as Record<N, typeof count>);

/** The state of a part of the service, as `GET /health/ready` says it. */
export const partState = z
  .strictObject({ status: z.enum(['up', 'down', 'not known']), reason: z.string().optional() })
  .meta({ id: 'PartState' });

/** A tenant at a glance (docs/contracts/operators.md, "The fleet at a glance"). */
export const summary = z
  .strictObject({
    asOf: timestamp.meta({ description: 'When devices, installations and rollouts were counted' }),
    devices: counts(STANDINGS),
    installations: z
      .array(
        z.strictObject({
          state: z.enum(OPEN_STATES),
          count,
          oldest: z
            .strictObject({ id, deviceId: id, since: timestamp, waitingOn: z.string() })
            .nullable()
            .meta({ description: 'The longest in this state; null where it went on meanwhile' }),
        }),
      )
      .meta({ description: 'Open ones; states in which none is are left out' }),
    rollouts: counts(PHASES),
    approvals: z.strictObject({
      waiting: count,
      forYou: count.meta({ description: "Of these, the ones that the caller's vote counts for" }),
    }),
    parts: z.record(z.string(), partState),
  })
  .meta({
    id: 'Summary',
    example: {
      asOf: '2026-11-24T10:00:00.000Z',
      devices: { upToDate: 8_900, updating: 40, behind: 1_000, unknown: 12, silent: 48 },
      installations: [
        {
          state: 'downloading',
          count: 40,
          oldest: {
            id: '123e4567-e89b-12d3-a456-426655440001',
            deviceId: '123e4567-e89b-12d3-a456-426655440002',
            since: '2026-11-24T09:58:00.000Z',
            waitingOn: 'Waiting for the device to download.',
          },
        },
      ],
      rollouts: {
        draft: 1,
        awaiting_approval: 1,
        scheduled: 0,
        running: 1,
        paused: 0,
        rolling_back: 0,
        finished: 7,
        aborted: 0,
      },
      approvals: { waiting: 1, forYou: 1 },
      parts: { database: { status: 'up' } },
    },
  });

/** What is printed. Times are epoch milliseconds; installations in the order of their states. */
export interface PrintableSummary {
  readonly asOf: number;
  readonly devices: Readonly<Record<Standing, number>>;
  readonly installations: readonly {
    readonly state: State;
    readonly count: number;
    readonly oldest: {
      readonly id: string;
      readonly deviceId: string;
      readonly since: number;
      readonly waitingOn: string;
    } | null;
  }[];
  readonly rollouts: Readonly<Record<Phase, number>>;
  readonly approvals: { readonly waiting: number; readonly forYou: number };
  readonly parts: Readonly<Record<string, z.input<typeof partState>>>;
}

/** As its answer has it. */
export function printSummary({ asOf, installations, ...rest }: PrintableSummary): Record<string, unknown> {
  return {
    asOf: isoTime(asOf),
    ...rest,
    installations: installations.map(({ oldest, ...one }) => ({
      ...one,
      oldest: oldest && { ...oldest, since: isoTime(oldest.since) },
    })),
  };
}
