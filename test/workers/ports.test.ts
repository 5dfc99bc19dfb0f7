import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort, isFree, settlePorts } from '../../workers/embedded/ports.js';
import { createLog } from '../../runtime/log.js';

const log = createLog('ports-test', 'silent');
const host = '127.0.0.1';
const any = { port: 0, host, setting: 'SLIPWAY_HTTP_PORT' };
let dataDir: string;
let busy: Server | undefined;
beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), 'slipway-ports-'))));
afterEach(async () => {
  await new Promise<void>((resolve) => (busy ? busy.close(() => resolve()) : resolve()));
  busy = undefined;
  rmSync(dataDir, { recursive: true, force: true });
});
const occupy = (port: number) =>
  new Promise<void>((resolve) => void (busy = createServer().listen(port, host, () => resolve())));

describe('ports', () => {
  it('of 0 are chosen once per data directory and kept over restarts', async () => {
    const first = await settlePorts(dataDir, { http: any, mqtt: any }, log);
    expect(first['http']).not.toBe(first['mqtt']);
    expect(await settlePorts(dataDir, { http: any, mqtt: any }, log)).toEqual(first);
    expect(JSON.parse(readFileSync(join(dataDir, 'ports.json'), 'utf8'))).toEqual(first);
  });

  it('lie below those that the system gives to outgoing connections, which could take one during a restart', async () => {
    expect(await freePort()).toBeLessThan(32_768);
  });

  it('that were asked for and are taken are refused, naming the setting', async () => {
    const port = await freePort();
    await occupy(port);
    expect(await isFree(port)).toBe(false);
    await expect(settlePorts(dataDir, { http: { ...any, port } }, log)).rejects.toThrow(
      `port ${port} on 127.0.0.1 is used by another program: stop that one, or set SLIPWAY_HTTP_PORT`,
    );
  });

  it('that were kept and are taken meanwhile are chosen anew', async () => {
    const { http: first = 0 } = await settlePorts(dataDir, { http: any }, log);
    await occupy(first);
    const { http: second = 0 } = await settlePorts(dataDir, { http: any }, log);
    expect(second).not.toBe(first);
  });
});
