import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../workers/embedded/ports.js';
import { ApiProcess } from '../api/api-process.js';
import { BridgeProcess } from '../e2e/bridge-process.js';
import { clockOffset, fakedClock } from '../support/faketime.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { runSlipway, type Ran } from './run-slipway.js';

const temporal = process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!;
/** A disk of its own for the process: of so many bytes, gone with it. */
const SMALL_DISK = ['unshare', '-Urm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs "$SLIPWAY_DATA_DIR" && exec "$@"'];
const OLDER = '0034-who-said-it';
const MS = 90_000;

/** What `slipway doctor` finds. */
function doctor(api: ApiProcess, env: Record<string, string> = {}, ...args: string[]): Promise<Ran> {
  return runSlipway(['doctor', ...args], { SLIPWAY_URL: api.url, SLIPWAY_TOKEN: api.token, ...env });
}

/** The faults by their part: the sentence, and what to do. */
async function faultsOf(api: ApiProcess, env?: Record<string, string>): Promise<Record<string, string>> {
  const { said, code } = await doctor(api, env, '-o', 'json');
  expect([code, said]).toEqual([1, expect.stringContaining('found.')]);
  const found = JSON.parse(said.slice(0, said.indexOf('\n]') + 2)) as Record<
    'part' | 'state' | 'says' | 'next',
    string
  >[];
  return Object.fromEntries(
    found.flatMap(({ part, state, says, next }) => (state === 'fault' ? [[part, `${says} → ${next}`]] : [])),
  );
}

/** Parts are looked at once a second: it is asked until it is so. */
function finds(api: ApiProcess, expected: Record<string, unknown>): Promise<true> {
  return until(
    `it finds ${Object.keys(expected).join(', ')}`,
    async () => {
      expect(await faultsOf(api)).toMatchObject(expected);
      return true as const;
    },
    MS,
  );
}

describe('slipway doctor on an installation that is broken', () => {
  let api: ApiProcess;
  let bridge: BridgeProcess;
  let engine: TcpProxy;
  let database: TcpProxy;
  beforeAll(async () => {
    engine = new TcpProxy(new URL(`tcp://${temporal}`));
    const env: Record<string, string> = {
      TEMPORAL_ADDRESS: new URL(await engine.open()).host,
      SLIPWAY_WEBHOOKS_ALLOW_PRIVATE: 'true',
      // Uploads leave a GiB free otherwise.
      SLIPWAY_MIN_FREE_MIB: '0',
    };
    api = await ApiProcess.prepare('doctor', env);
    database = new TcpProxy(new URL(api.database.url));
    env['DATABASE_URL'] = await database.open();
    api.within = [...SMALL_DISK, 'sh'];
    await api.start();
    const around = {
      databaseUrl: api.database.url,
      mqttPort: 1,
      temporal: { address: temporal, namespace: 'default' },
    };
    bridge = await new BridgeProcess({ ...around, env: { SLIPWAY_WEBHOOKS_ALLOW_PRIVATE: 'true' } }).start();
  }, MS);
  afterAll(async () => {
    await bridge.end();
    await Promise.all([engine.close(), database.close()]);
    await api.remove();
  }, MS);

  it(
    'names the processes that do not run, and a broker that is away',
    async () => {
      await finds(api, {
        orchestrator: expect.stringMatching(/^no orchestrator holds the lease.* → Start an orchestrator/),
        mqtt: expect.stringMatching(/^does not answer the bridge.* → Start the broker, or correct MQTT_URL/),
      });
      const { said } = await doctor(api);
      expect(said).toMatch(/^well {3}blobs +up$/m);
      expect(said).toMatch(
        /^FAULT {2}mqtt +does not answer the bridge: devices are not reached\n +→ Start the broker/m,
      );
      expect(said).toMatch(/^slipway: 2 faults were found\.$/m);
    },
    MS,
  );

  it('names a key that is wrong', async () => {
    const { said } = await doctor(api, { SLIPWAY_TOKEN: 'slp_wrong' });
    expect(said).toMatch(/^FAULT {2}key +you are not let in: the key was mistyped.*\n +→ Sign in again/m);
  });

  it(
    'names a clock that is off by ten minutes',
    async () => {
      const file = join(api.folder, 'clock');
      await writeFile(file, clockOffset(600));
      const faults = await faultsOf(api, fakedClock(file));
      expect(faults['clock']).toMatch(/^this machine's clock is 10 minutes ahead of .* → See which one is wrong/);
      await writeFile(file, clockOffset(-600));
      expect((await faultsOf(api, fakedClock(file)))['clock']).toMatch(/10 minutes behind/);
    },
    MS,
  );

  it(
    'names a receiver of webhooks that is not reached',
    async () => {
      const made = await api.fetch('POST', '/v1/webhooks', { url: `http://127.0.0.1:${await freePort()}/secret-path` });
      const { data } = (await made.json()) as { data: { id: string } };
      const file = join(api.folder, 'lamp.bin');
      await writeFile(file, 'some bytes');
      const to = ['--slot', 'firmware', '--type', 'lamp'];
      for (const line of [
        ['type', 'create', 'lamp', '--slot', 'firmware'],
        ['device', 'create', 'hall', '--type', 'lamp'],
        ['firmware', 'upload', file, '--name', 'lamp', '--version', '1', ...to],
        // That is written into the history, and the receiver is to be told.
        ['install', 'hall', '--slot', 'firmware', '--firmware', 'lamp@1'],
      ])
        expect(await runSlipway(line, { SLIPWAY_URL: api.url, SLIPWAY_TOKEN: api.token })).toMatchObject({ code: 0 });
      await finds(api, {
        webhooks: expect.stringMatching(
          new RegExp(`^http://127.0.0.1:\\d+/… \\(${data.id}\\) takes nothing since .*: .+ → Start the receiver`),
        ),
      });
      await api.fetch('DELETE', `/v1/webhooks/${data.id}`);
    },
    MS,
  );

  it(
    'names Temporal that is away',
    async () => {
      engine.isCut = true;
      await finds(api, { temporal: expect.stringMatching(/^does not answer.* → Start Temporal/) });
      engine.isCut = false;
    },
    MS,
  );

  it(
    'names a disk that is full, and says when there is room again',
    async () => {
      // The mount is seen by way of the process only.
      const path = `/proc/${api.pid}/root${api.folder}/filling`;
      await writeFile(path, Buffer.alloc(2 * 1024 * 1024)).catch((error: NodeJS.ErrnoException) =>
        expect(error.code).toBe('ENOSPC'),
      );
      await finds(api, { blobs: expect.stringMatching(/ENOSPC.* → The disk is full: make room/) });
      await writeFile(path, '');
      await until('it has room', async () => (await faultsOf(api))['blobs'] === undefined, MS);
    },
    MS,
  );

  it(
    'names a database that is away, and does not blame what only that one knows',
    async () => {
      database.isCut = true;
      await finds(api, {
        database: expect.stringMatching(/^does not answer.* → Start PostgreSQL, or correct DATABASE_URL/),
      });
      const { said } = await doctor(api);
      expect(said).toMatch(/^\? {6}bridge +only the database knows/m);
      expect(said).toMatch(/^\? {6}key +it cannot be looked up/m);
      database.isCut = false;
      await until('it is back', async () => (await faultsOf(api))['database'] === undefined, MS);
    },
    MS,
  );

  it(
    'says what answers where there is no Slipway, and that nothing does',
    async () => {
      const nowhere = await doctor(api, { SLIPWAY_URL: `http://127.0.0.1:${await freePort()}` });
      expect(nowhere).toEqual({
        code: 6,
        said: expect.stringMatching(/nothing listens at this address \(ECONNREFUSED\)/),
      });
      const odd = await doctor(api, { SLIPWAY_URL: `${api.url}/nothing` });
      expect(odd).toEqual({
        code: 6,
        said: expect.stringMatching(/what answers at .* is no Slipway \(404\)\n +→ Check/),
      });
      const plain = await doctor(api, { SLIPWAY_URL: api.url.replace('http:', 'https:') });
      expect(plain).toEqual({ code: 6, said: expect.stringContaining('it does not speak TLS at this address') });
    },
    MS,
  );
});

describe('slipway doctor on an installation that was set up wrong', () => {
  let api: ApiProcess;
  beforeAll(async () => {
    api = await ApiProcess.prepare(
      'doctor of settings',
      {
        TEMPORAL_ADDRESS: temporal,
        TEMPORAL_NAMESPACE: 'nowhere',
        SLIPWAY_BLOB_STORE: 's3',
        SLIPWAY_S3_BUCKET: 'away',
        SLIPWAY_S3_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
        AWS_ACCESS_KEY_ID: 'wrong',
        AWS_SECRET_ACCESS_KEY: 'wrong',
        AWS_REGION: 'us-east-1',
      },
      OLDER,
    );
    await api.listen();
  }, MS);
  afterAll(() => api.remove(), MS);

  it(
    'names an old schema, an S3 that is away and a namespace that is not there, all at once',
    async () => {
      await finds(api, {
        schema: expect.stringMatching(/too old.*slipway-admin migrate.* → docs\/upgrade.md/),
        blobs: expect.stringMatching(/^does not answer.* → Start the store, or correct SLIPWAY_S3_ENDPOINT/),
        temporal: expect.stringMatching(/namespace.* → Make the namespace \(temporal operator namespace create/),
      });
    },
    MS,
  );
});
