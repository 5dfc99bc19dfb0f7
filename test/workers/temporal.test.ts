import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { freePort, isFree } from '../../workers/embedded/ports.js';
import { identify } from '../../workers/embedded/processes.js';
import { findTemporal } from '../../workers/embedded/temporal-binary.js';
import { FETCHES, type Fetch } from '../../workers/embedded/temporal-fetch.js';
import { startTemporal } from '../../workers/embedded/temporal.js';
import { createLog } from '../../runtime/log.js';

const log = createLog('temporal-test', 'silent');
let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'slipway-temporal-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program that says of itself what the Temporal CLI says. */
function program(path: string, server: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "temporal version 1.0.0 (Server ${server}, UI 2.0.0)"\n`);
  chmodSync(path, 0o755);
  return path;
}
const cacheDir = () => join(folder, 'cache');
const nowhere = { log, path: '', fetches: [] as Fetch[] };

describe('the embedded Temporal server', () => {
  it('is found or fetched, answers, and ends when it is stopped; its data is kept for the next start', async () => {
    const { path } = await findTemporal({ log });
    const [port, uiPort] = [await freePort(), await freePort()];
    const options = { binary: path, dbFile: join(folder, 'temporal.db'), port, uiPort, namespace: 'default', log };

    const first = await startTemporal(options);
    expect((await fetch(first.uiUrl ?? '')).status).toBe(200);
    await withClient(first.address, async (client) => {
      await client.workflow.start('installation', { workflowId: 'one', taskQueue: 'nobody' });
    });
    await first.stop();
    expect(identify(first.pid)).toBeUndefined();
    expect(await isFree(port)).toBe(true);

    const second = await startTemporal(options);
    try {
      await withClient(second.address, async (client) => {
        expect((await client.workflow.getHandle('one').describe()).status.name).toBe('RUNNING');
      });
    } finally {
      await second.stop();
    }
  });

  it('is pinned by a hash, in each way in which it is fetched', () => {
    expect(FETCHES.map(({ way }) => /checked by (SHA-256|its sum)$/.test(way))).toEqual([true, true]);
  });

  it('in memory and without a page makes the namespace that was asked for', async () => {
    const { path } = await findTemporal({ log });
    const server = await startTemporal({
      binary: path,
      dbFile: null,
      port: await freePort(),
      uiPort: null,
      namespace: 'fleet',
      log,
    });
    expect(server.uiUrl).toBeNull();
    await server.stop();
  });

  it('reports its own error when it does not start', async () => {
    const { path } = await findTemporal({ log });
    const dbFile = join(folder, 'is-a-folder');
    mkdirSync(dbFile);
    await expect(
      startTemporal({ binary: path, dbFile, port: await freePort(), uiPort: null, namespace: 'default', log }),
    ).rejects.toThrow(/did not start on port \d+: .+/);
  });
});

describe('the binary of the Temporal server', () => {
  it('that a person names is taken, and nothing else is tried', async () => {
    const cliPath = program(join(folder, 'mine'), '1.31.0');
    expect(await findTemporal({ ...nowhere, cacheDir: cacheDir(), cliPath })).toEqual({
      path: cliPath,
      serverVersion: '1.31.0',
      how: 'named by TEMPORAL_CLI_PATH',
    });
    await expect(findTemporal({ log, cacheDir: cacheDir(), cliPath: join(folder, 'missing') })).rejects.toThrow(
      /TEMPORAL_CLI_PATH is .*missing, which is not a Temporal CLI/,
    );
  });

  it('is looked for on the PATH before the cache, and passed over where it is another program', async () => {
    program(join(cacheDir(), '1.9.1', 'temporal'), '1.32.0');
    program(join(folder, 'bin', 'temporal'), '1.30.0');
    expect(await findTemporal({ ...nowhere, cacheDir: cacheDir(), path: join(folder, 'bin') })).toMatchObject({
      serverVersion: '1.30.0',
      how: 'found on the PATH',
    });
    writeFileSync(join(folder, 'bin', 'temporal'), '#!/bin/sh\necho hello\n');
    expect(await findTemporal({ ...nowhere, cacheDir: cacheDir(), path: join(folder, 'bin') })).toMatchObject({
      serverVersion: '1.32.0',
      how: 'fetched by an earlier start',
    });
  });

  it('of the newest version in the cache is taken, as versions count', async () => {
    program(join(cacheDir(), '1.9.1', 'temporal'), '1.32.0');
    program(join(cacheDir(), '1.10.0', 'temporal'), '1.33.0');
    expect((await findTemporal({ ...nowhere, cacheDir: cacheDir() })).serverVersion).toBe('1.33.0');
  });

  it('is fetched by the first way that works, and by which is said', async () => {
    const fetches: Fetch[] = [
      { way: 'the first way', fetch: () => Promise.reject(new Error('no network')) },
      { way: 'a way that brings rubbish', fetch: async (cache) => join(cache, 'rubbish') },
      { way: 'the third way', fetch: async (cache) => program(join(cache, '1.0.0', 'temporal'), '1.20.0') },
    ];
    expect((await findTemporal({ ...nowhere, cacheDir: cacheDir(), fetches })).how).toBe('fetched: the third way');
    expect((await findTemporal({ ...nowhere, cacheDir: cacheDir() })).how).toBe('fetched by an earlier start');
  });

  it('that cannot be had at all is answered by one sentence that lists what helps', async () => {
    const fetches: Fetch[] = [
      { way: 'the only way', fetch: () => Promise.reject(new Error('no network at https://example.com/x')) },
    ];
    const failure = findTemporal({ ...nowhere, cacheDir: cacheDir(), fetches });
    await expect(failure).rejects.toThrow(
      /on the PATH; or set TEMPORAL_CLI_PATH.*TEMPORAL_ADDRESS.*the only way: no network at …/,
    );
    expect(readdirSync(cacheDir())).toEqual([]);
  });
});

async function withClient(address: string, work: (client: Client) => Promise<void>): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: 10_000 });
  try {
    await work(new Client({ connection }));
  } finally {
    await connection.close();
  }
}
