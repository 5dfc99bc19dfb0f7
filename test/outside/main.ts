import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { TestedMosquitto } from '../support/mosquitto.js';
import { TestedPostgres } from '../support/postgresql.js';
import { TestedS3 } from '../support/versitygw.js';
import { outsideSettings, STORIES, tellStories, TOLD_ELSEWHERE } from './end-to-end.js';

/**
 * `npm run test:outside`: the crash suite and the end-to-end stories on Slipway with an outside PostgreSQL 15,
 * mosquitto and S3, by settings alone. What is outside is not killed there: test/e2e/mosquitto.test.ts and
 * test/e2e/s3.test.ts do that. With arguments, which go to the crash suite, it runs that alone.
 */
const CRASH = fileURLToPath(new URL('../crash/main.js', import.meta.url));
/** Two of each, too: the kills of this seed hit both halves, and the whole first one. */
const SHORT = ['--pairs', '--kills', '5', '--devices', '40', '--seed', '8'];

const open: { close(): Promise<void> }[] = [];
const kept = <T extends { close(): Promise<void> }>(service: T): T => {
  open.unshift(service);
  return service;
};
const say = (text: string) => process.stdout.write(`${text}\n`);

async function crash(given: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  const child = spawn(process.execPath, ['--enable-source-maps', CRASH, ...given], { env, stdio: 'inherit' });
  return new Promise((resolve) => child.once('exit', (code) => resolve(code === 0)));
}

try {
  const [postgres, broker, s3] = [
    kept(await TestedPostgres.start()),
    kept(await TestedMosquitto.start()),
    kept(await TestedS3.start()),
  ];
  say(`PostgreSQL 15, mosquitto (${broker.url}) and S3 (${s3.endpoint}) are outside.`);
  const given = process.argv.slice(2);
  const survived = await crash(given.length === 0 ? SHORT : given, {
    ...process.env,
    ...outsideSettings({ postgres, s3 }, broker),
  });
  if (!survived) process.exitCode = 1;
  else if (given.length === 0) {
    say(`The end-to-end stories there: ${STORIES.join(', ')}. Not these:`);
    for (const [name, why] of Object.entries(TOLD_ELSEWHERE)) say(`  ${name}: ${why}`);
    const { passed, failed } = await tellStories({ postgres, s3 });
    say(
      failed.length === 0
        ? `outside: the crash suite, and ${passed} end-to-end tests`
        : `outside: failed in ${failed.join(', ')}`,
    );
    process.exitCode = failed.length === 0 ? 0 : 1;
  }
} finally {
  for (const service of open) await service.close();
}
