import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import pg from 'pg';
import { TestedMosquitto } from '../support/mosquitto.js';
import type { TestedPostgres } from '../support/postgresql.js';
import type { TestedS3 } from '../support/versitygw.js';
import { outsideBroker } from './settings.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Each on a database, a mosquitto and a bucket of its own. */
export const STORIES = ['survival', 'rollouts', 'all-in-one', 'gateways'] as const;
/** Those that are told by `npm test` alone, and why. */
export const TOLD_ELSEWHERE = {
  bridges: 'it has a database, a broker and processes of its own; two bridges run here in the crash suite',
  mosquitto: 'it has a mosquitto of its own, which it kills',
  'restore-beside-broker': 'it has a mosquitto of its own',
  restore: 'it moves a data folder to another machine, with the database that is in it',
  s3: 'it has an S3 server of its own, whose objects it spoils',
} as const;

export interface Outcome {
  passed: number;
  /** Files. */
  failed: string[];
}

interface Outside {
  postgres: TestedPostgres;
  s3: TestedS3;
}

/** Two at a time, as jest runs them in `npm test`. */
export async function tellStories(outside: Outside): Promise<Outcome> {
  const outcome: Outcome = { passed: 0, failed: [] };
  const left: string[] = [...STORIES];
  const lane = async () => {
    for (let story = left.shift(); story !== undefined; story = left.shift()) {
      const passed = await tell(story, outside);
      outcome.passed += passed ?? 0;
      if (!passed) outcome.failed.push(story);
    }
  };
  await Promise.all([lane(), lane()]);
  return outcome;
}

export function outsideSettings({ postgres, s3 }: Outside, broker: TestedMosquitto): Record<string, string> {
  return {
    ...s3.settings,
    DATABASE_URL: postgres.url,
    ...outsideBroker(broker),
  };
}

/** By settings alone. @returns how many tests passed; undefined where anything failed. */
async function tell(story: string, outside: Outside): Promise<number | undefined> {
  const broker = await TestedMosquitto.start();
  try {
    const own = {
      DATABASE_URL: await databaseFor(outside.postgres, story),
      SLIPWAY_S3_BUCKET: await bucketFor(outside.s3, story),
    };
    const { code, printed } = await jest(`test/e2e/${story}.test.ts`, {
      ...process.env,
      ...outsideSettings(outside, broker),
      ...own,
    });
    process.stdout.write(printed);
    const count = /^(\d+) passed, 0 failed$/m.exec(printed);
    return code === 0 && count ? Number(count[1]) : undefined;
  } finally {
    await broker.close();
  }
}

/** What it prints is kept together: another one runs beside it. */
async function jest(file: string, env: NodeJS.ProcessEnv): Promise<{ code: unknown; printed: string }> {
  const args = [
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    '--config',
    'test/outside/jest.config.js',
    '--runInBand',
    '--runTestsByPath',
    file,
  ];
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, printed };
}

async function databaseFor(postgres: TestedPostgres, story: string): Promise<string> {
  const name = `e2e_${story.replaceAll('-', '_')}`;
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`).finally(() => client.end());
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  return url.href;
}

async function bucketFor(s3: TestedS3, story: string): Promise<string> {
  const client = s3.client();
  const bucket = `e2e-${story}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket })).finally(() => client.destroy());
  return bucket;
}
