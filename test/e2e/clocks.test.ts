import { randomUUID } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startEmbeddedBroker, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { ApiProcess } from '../api/api-process.js';
import { HandMadeDevice } from '../bridge/hand-made-device.js';
import { Facts } from '../support/facts.js';
import { clockOffset, fakedClock } from '../support/faketime.js';
import { registerNamespace } from '../support/namespace.js';
import { until } from '../support/until.js';
import { BridgeProcess } from './bridge-process.js';

const address = process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const SECONDS = 600;
/** Longer than the story takes on a busy machine, and shorter than any clock here is wrong. */
const STORY_MS = 240_000;

interface Columns {
  table_name: string;
  column_name: string;
}

/** Three processes as in production, each with a wall clock of its own; PostgreSQL's is the right one. */
class Processes {
  private readonly children: ChildProcess[] = [];
  readonly namespace = `clocks-${randomUUID()}`;
  api!: ApiProcess;
  facts!: Facts;
  broker!: EmbeddedBroker;
  bridge!: BridgeProcess;

  constructor(private readonly ahead: { api: number; bridge: number; orchestrator: number }) {}

  async start(): Promise<void> {
    const { namespace } = this;
    await registerNamespace(namespace);
    this.broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: 0,
      log: silent,
      authenticate: async (username) => {
        const node = parseUsername(username);
        return { identity: node ? { kind: 'device', ...node } : { kind: 'service' } };
      },
    });
    const env: Record<string, string> = {};
    this.api = await ApiProcess.prepare('clocks', env);
    Object.assign(env, await this.clock('api'));
    await this.api.start();
    this.facts = await new Facts(this.api.pool).begin();
    this.bridge = new BridgeProcess({
      databaseUrl: this.api.database.url,
      mqttPort: this.broker.port,
      temporal: { address, namespace },
      env: await this.clock('bridge'),
    });
    await this.bridge.start();
    this.children.push(
      spawn(process.execPath, ['dist/workers/orchestrator.js'], {
        env: {
          ...process.env,
          DATABASE_URL: this.api.database.url,
          TEMPORAL_ADDRESS: address,
          TEMPORAL_NAMESPACE: namespace,
          SLIPWAY_LOG_LEVEL: 'warn',
          ...(await this.clock('orchestrator')),
        },
        stdio: 'ignore',
      }),
    );
    await this.bridge.leads(60_000);
  }

  private async clock(of: keyof Processes['ahead']): Promise<Record<string, string>> {
    const file = join(this.api.folder, `clock-${of}`);
    await writeFile(file, clockOffset(this.ahead[of]));
    return fakedClock(file);
  }

  async end(): Promise<void> {
    await this.bridge.end();
    for (const child of this.children) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    await this.broker.close();
    await this.api.remove();
  }

  async install(device: string, firmware: string, policy: object): Promise<string> {
    const answer = await this.api.fetch('POST', `/v1/devices/${device}/firmware-installations`, {
      firmwareId: firmware,
      slot: 'firmware',
      ...policy,
    });
    expect(answer.status).toBe(201);
    return ((await answer.json()) as { data: { id: string } }).data.id;
  }

  ends(id: string): Promise<string> {
    return until(
      'the installation ends',
      async () =>
        (
          await this.facts.sql<{ state: string }>(
            'SELECT state FROM installations WHERE id = $1 AND ended_at IS NOT NULL',
            [id],
          )
        )[0]?.state,
      STORY_MS / 4,
    );
  }

  /** Every stored time that lies further from now than the story is long, by table and column. */
  async wrongTimes(): Promise<string[]> {
    const columns = await this.facts.sql<Columns>(
      `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
         AND data_type = 'timestamp with time zone'`,
    );
    const wrong: string[] = [];
    for (const { table_name: table, column_name: column } of columns) {
      const found = await this.facts.sql<{ off: number }>(
        `SELECT extract(epoch FROM ${column} - now())::float8 AS off FROM ${table}
         WHERE ${column} > '-infinity' AND abs(extract(epoch FROM ${column} - now())) > ${STORY_MS / 1_000}`,
      );
      wrong.push(...found.map(({ off }) => `${table}.${column}: ${Math.round(off)} s from now`));
    }
    return wrong;
  }
}

describe.each([
  { title: 'API and orchestrator slow, bridge fast', api: -SECONDS, bridge: SECONDS, orchestrator: -SECONDS },
  { title: 'API and orchestrator fast, bridge slow', api: SECONDS, bridge: -SECONDS, orchestrator: SECONDS },
])('Processes whose clocks are ten minutes off: $title', (ahead) => {
  const all = new Processes(ahead);
  beforeAll(() => all.start(), 120_000);
  afterAll(() => all.end(), 60_000);

  it(
    'O13 deadlines pass when they should, and every stored time is of one clock',
    async () => {
      const device = await new HandMadeDevice(
        `mqtt://127.0.0.1:${all.broker.port}`,
        'default',
        await all.facts.device(),
      ).connect();
      const silentDevice = await all.facts.device();
      const firmware = await all.facts.firmware('a');
      const once = { retry: { maxAttempts: 1 } };
      const silence = await all.install(silentDevice, firmware, { ...once, timeouts: { offer: 'PT3S' } });
      const worked = await all.install(device.id, firmware, { ...once, soak: 'PT2S' });
      const document = await until('a document', () => device.heard.find((one) => one.json?.['installationId'])?.json);
      for (const state of ['accepted', 'downloading', 'downloaded', 'installing']) await device.status(document, state);
      await device.ack(await device.status(document, 'installed'));
      await device.hello({
        firmware: { sha256: 'a'.repeat(64), revision: document['revision'], version: '1.0.0', confirmed: true },
      });
      expect(await all.ends(worked)).toBe('installed');
      expect(await all.ends(silence)).toBe('timed_out');
      expect(await all.wrongTimes()).toEqual([]);
      await device.end();
    },
    STORY_MS,
  );
});
