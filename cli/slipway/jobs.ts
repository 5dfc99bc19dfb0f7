import { setTimeout as sleep } from 'node:timers/promises';
import { readJob, type Job } from '../../client/index.js';
import type { Cli } from './cli.js';
import { CliError } from './exit.js';
import type { View } from './print.js';

/** Between two looks at a job that runs. */
const LOOK_MS = 500;

/** A job as it is shown. */
export const JOB: View<Job> = {
  columns: {
    id: (j) => j.id,
    kind: (j) => j.kind,
    state: (j) => j.state,
    total: (j) => j.total,
    done: (j) => j.done,
    failed: (j) => j.failed,
    skipped: (j) => j.skipped,
    by: (j) => j.createdBy,
    created: (j) => j.createdAt,
  },
  id: (j) => j.id,
};

const OVER: readonly Job['state'][] = ['done', 'failed', 'canceled'];

/**
 * Prints a job, once it has ended where `isAwaited`; until then its progress goes to standard error.
 * @throws CliError where lines of it failed
 */
export async function followJob(cli: Cli, begun: Job, isAwaited: boolean): Promise<void> {
  let job = begun;
  for (let shown = ''; isAwaited && !OVER.includes(job.state);) {
    const line = `${job.state}: ${job.done} of ${job.total}`;
    if (line !== shown) cli.note(line);
    shown = line;
    await sleep(LOOK_MS);
    job = (await readJob({ client: cli.client, path: { id: job.id } })).data;
  }
  await cli.one(job, JOB);
  for (const { line, pointer, detail } of job.errors) cli.note(`line ${line}: ${pointer} ${detail}`);
  if (job.state === 'failed' || job.failed > 0)
    throw new CliError(
      'failed',
      `Job ${job.id}: ${job.failed} of ${job.total} failed.`,
      'Correct these lines and send them again.',
    );
}
