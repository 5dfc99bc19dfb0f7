import type { Command } from 'commander';
import { listRolloutEvents, readRollout, type RolloutEvent } from '../../../client/index.js';
import { printDuration } from '../../../domain/duration.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { rolloutId } from '../resolve.js';
import { verb, whole } from '../verb.js';

/** One member of the plan that differs; undefined = it was not there, or the history does not say. */
interface Difference {
  readonly pointer: string;
  readonly from?: unknown;
  readonly to?: unknown;
}

/** `rollout diff`: what amendments changed, from the history. */
export function diffVerb(rollout: Command): void {
  verb<{ from: number; to?: number }>(
    rollout,
    {
      usage: 'diff <rollout>',
      says: 'what amendments changed between two versions of its plan',
      examples: ['slipway rollout diff "switch 1.5.0" --from 1 --to 3'],
    },
    async (cli, [name = ''], { from, to: given }) => {
      const { client } = cli;
      const path = { id: await rolloutId(client, name) };
      const to = given ?? (await readRollout({ client, path })).data.version;
      if (from >= to)
        throw new CliError('usage', `Version ${from} is not before version ${to}.`, `For example: --from 1 --to ${to}`);
      const events = await allOf(async (query) => {
        const page = await listRolloutEvents({ client, path, query });
        // Only a stream is answered with nothing (204).
        return typeof page === 'object' ? page : { data: [], meta: {} };
      });
      const amendments = events.filter(({ event, data }) => {
        const version = Number(data['version']);
        return event === 'amended' && version > from && version <= to;
      });
      await cli.rows(differences(amendments), DIFFERENCE);
    },
  )
    .option('--from <version>', 'the older one', whole, 1)
    .option('--to <version>', 'the newer one; by default as it is now', whole);
}

const DIFFERENCE: View<Difference> = {
  columns: {
    member: (d) => d.pointer,
    from: (d) => (d.from === undefined ? undefined : JSON.stringify(d.from)),
    to: (d) => (d.to === undefined ? undefined : JSON.stringify(d.to)),
  },
  id: (d) => d.pointer,
};

/** The first value that was replaced and the last one that took its place, of each member. */
function differences(amendments: readonly RolloutEvent[]): Difference[] {
  const before = new Map<string, unknown>();
  const after = new Map<string, unknown>();
  for (const { data } of amendments) {
    for (const [pointer, value] of members(data['replaced'])) if (!before.has(pointer)) before.set(pointer, value);
    for (const [pointer, value] of members(data['amendment'])) after.set(pointer, value);
  }
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((pointer) => ({ pointer, from: before.get(pointer), to: after.get(pointer) }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to));
}

const DURATIONS: ReadonlySet<string> = new Set(['soak', 'awayAfter', 'expiresAfter']);
const TIMES: ReadonlySet<string> = new Set(['startAt', 'endAt']);

/** Leaves by JSON pointer. Groups go by their names: an amendment has only those that it changes. */
function members(value: unknown, pointer = '', key = ''): [string, unknown][] {
  if (Array.isArray(value) && key === 'groups')
    return value.flatMap((one: { name: string }) => {
      const { name, ...rest } = one;
      return members(rest, `${pointer}/${name}`);
    });
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([name, inner]) => members(inner, `${pointer}/${name}`, name));
  if (value === undefined) return [];
  // The history has milliseconds where the API has ISO 8601.
  if (typeof value === 'number' && DURATIONS.has(key)) return [[pointer, printDuration(value)]];
  if (typeof value === 'number' && TIMES.has(key)) return [[pointer, new Date(value).toISOString()]];
  return [[pointer, value]];
}
