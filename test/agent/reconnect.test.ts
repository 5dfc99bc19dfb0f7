import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Agent } from '../../agent/core/agent.js';
import { FileInstaller } from '../../agent/core/file-installer.js';
import { SlotFiles } from '../../agent/core/slot-files.js';
import { seededRandom } from '../../agent/simulator/random.js';
import { until } from '../support/until.js';

/** Milliseconds. */
const FIRST = 80;
const MAX = 640;

describe('an agent whose broker is away', () => {
  let server: Server;
  let dir: string;
  let tries: number[];
  beforeEach(async () => {
    tries = [];
    dir = await mkdtemp(join(tmpdir(), 'slipway-reconnect-'));
    // A broker that hangs up on everybody.
    server = createServer((socket) => {
      tries.push(Date.now());
      socket.on('error', () => socket.destroy());
      socket.destroy();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });
  afterEach(async () => {
    await new Promise<void>((done) => server.close(() => done()));
    await rm(dir, { recursive: true, force: true });
  });

  /** @returns the pauses between the first seven tries of one device */
  async function pausesOf(name: string): Promise<number[]> {
    const agent = new Agent({
      url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
      username: `t1/${name}`,
      password: 'secret',
      stateDir: join(dir, name),
      slots: ['firmware'],
      installer: new FileInstaller(
        join(dir, name, 'slots'),
        new SlotFiles(join(dir, name, 'slots'), false),
        async () => undefined,
      ),
      timings: { reconnect: { firstMs: FIRST, maxMs: MAX } },
      random: seededRandom(3, name),
    });
    tries = [];
    await agent.start();
    await until('seven tries to connect', () => tries.length >= 7);
    await agent.stop();
    return tries.slice(1, 7).map((at, index) => at - tries[index]!);
  }

  it('tries again after pauses that grow up to a bound, and half of which is chance, so that a fleet does not come back at once', async () => {
    const [one, two] = [await pausesOf('d-1'), await pausesOf('d-2')];
    for (const pauses of [one, two]) {
      // Each is at least half of 80, 160, 320, 640, 640, 640; a busy machine makes them longer, never shorter.
      for (const [index, pause] of pauses.entries())
        expect(pause).toBeGreaterThanOrEqual(Math.min(MAX, FIRST * 2 ** index) / 2 - 5);
      expect(pauses.at(-1)!).toBeGreaterThan(pauses[0]!);
    }
    expect(one.reduce((sum, pause) => sum + pause)).not.toBe(two.reduce((sum, pause) => sum + pause));
  });
});
