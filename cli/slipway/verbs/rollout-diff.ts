import type { Command } from 'commander';
import { listRolloutEvents, readRollout } from '../../../client/index.js';
import { differencesOf, type Difference } from '../../../domain/rollout/members.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { rolloutId } from '../resolve.js';
import { verb, whole } from '../verb.js';

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
      await cli.rows(differencesOf(amendments.map(({ data }) => data)), DIFFERENCE);
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
