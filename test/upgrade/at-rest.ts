import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { verifyChain } from '../../store/history/seal.js';
import { until } from '../support/until.js';

const WITHIN_MS = 60_000;

/** Where to look. */
export interface Parts {
  readonly http: string;
  readonly databaseUrl: string;
  readonly temporal: string;
}

/** Everything has ended: then nothing may be waiting anywhere. @returns what is, in sentences. */
export async function atRest({ http, databaseUrl, temporal }: Parts): Promise<string[]> {
  const client = new pg.Pool({ connectionString: databaseUrl });
  const connection = await Connection.connect({ address: temporal });
  try {
    const engine = new Client({ connection });
    const count = async (text: string) => Number((await client.query<{ count: string }>(text)).rows[0]!.count);
    return (
      await Promise.all([
        becomes('rows in the outbox', () => count('SELECT count(*) FROM outbox')),
        becomes('open installations', () => count('SELECT count(*) FROM installations WHERE ended_at IS NULL')),
        becomes('published documents', () => count('SELECT count(*) FROM published_documents')),
        becomes('entries that are not sealed', () => count('SELECT count(*) FROM history WHERE number IS NULL')),
        becomes('open processes', async () => (await engine.workflow.count(`ExecutionStatus = 'Running'`)).count),
        chain(client),
        health(http),
      ])
    ).flat();
  } finally {
    await connection.close();
    await client.end();
  }
}

async function becomes(what: string, count: () => Promise<number>): Promise<string[]> {
  let last = 0;
  try {
    await until(`no ${what}`, async () => (last = await count()) === 0, WITHIN_MS);
    return [];
  } catch (error) {
    return [`${last} ${what} are left (${(error as Error).message})`];
  }
}

async function chain(client: pg.Pool): Promise<string[]> {
  const { entries, brokenAt } = await verifyChain(client, 'default');
  return brokenAt === undefined && entries > 0 ? [] : [`the history's chain breaks at ${brokenAt ?? 'its beginning'}`];
}

async function health(http: string): Promise<string[]> {
  const answer = await fetch(`${http}/health/ready?all=true`);
  return answer.ok ? [] : [`/health/ready answers ${answer.status}: ${await answer.text()}`];
}
