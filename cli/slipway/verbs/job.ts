import type { Command } from 'commander';
import { cancelJob, listJobs, readJob } from '../../../client/index.js';
import { followJob, JOB } from '../jobs.js';
import { allOf } from '../pages.js';
import { group, verb, whole } from '../verb.js';

/** What runs over many devices. */
export function jobVerbs(program: Command): void {
  const job = group(program, 'job', 'work over many devices');
  verb<{ limit?: number }>(
    job,
    { usage: 'list', says: 'list jobs of the last day, newest first', examples: ['slipway job list'] },
    async (cli, _args, { limit }) => {
      const { client } = cli;
      await cli.rows(await allOf((query) => listJobs({ client, query }), limit), JOB);
    },
  ).option('--limit <count>', 'at most so many', whole);
  verb(
    job,
    { usage: 'watch <job>', says: 'wait for its end, with its progress', examples: ['slipway job watch 0193…'] },
    async (cli, [id = '']) => followJob(cli, (await readJob({ client: cli.client, path: { id } })).data, true),
  );
  verb(
    job,
    { usage: 'show <job>', says: 'show one, with its errors', examples: ['slipway job show 0193…'] },
    async (cli, [id = '']) => {
      const { data } = await readJob({ client: cli.client, path: { id } });
      await cli.one(data, JOB);
      for (const { line, pointer, detail } of data.errors) cli.note(`line ${line}: ${pointer} ${detail}`);
    },
  );
  verb(
    job,
    { usage: 'cancel <job>', says: 'cancel it; what was done stays done', examples: ['slipway job cancel 0193…'] },
    async (cli, [id = '']) => cli.one((await cancelJob({ client: cli.client, path: { id } })).data, JOB),
  );
}
