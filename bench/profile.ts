import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { basename, join } from 'node:path';
import { threadId } from 'node:worker_threads';

/**
 * Loaded before anything else by `--import` (profile-children.ts): profiles this process, or this thread, until it
 * ends.
 */
export const FOLDER_VARIABLE = 'BENCH_PROFILE_FOLDER';

const folder = process.env[FOLDER_VARIABLE];
const INTERVAL_US = 1_000;

if (folder !== undefined && process.env['NODE_OPTIONS']?.includes(import.meta.url)) {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
  session.post('Profiler.start');
  process.once('exit', () => {
    session.post('Profiler.stop', (error, { profile }) => {
      if (error) process.stderr.write(`no profile: ${error.message}\n`);
      else
        writeFileSync(
          join(folder, `${basename(process.argv[1] ?? 'node', '.js')}-${process.pid}-${threadId}.cpuprofile`),
          JSON.stringify(profile),
        );
    });
  });
}
