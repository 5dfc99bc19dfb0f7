import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SlotFiles } from '../../agent/core/slot-files.js';
import { digestOf, testDevice } from './device.js';
import { FileServer, type ServedFile } from './file-server.js';
import { documentFor, TestService } from './service.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Where the power is taken away: each before and after everything that is written. */
const PLACES = [
  'accepted',
  'downloading',
  'piece',
  'verified',
  'downloaded',
  'installing',
  'swapping',
  'swapped',
  'recorded',
  'rebooting',
  'booting',
  'confirmed',
  'ended',
];

describe('an agent that is killed with -9', () => {
  let service: TestService;
  let server: FileServer;
  let file: ServedFile;
  let dir: string;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    server = await FileServer.start();
    file = server.file('1.5.0', 2_000_000);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    [service, dir] = await Promise.all([TestService.start(), mkdtemp(join(tmpdir(), 'slipway-agent-'))]);
  });
  afterEach(async () => {
    await Promise.all(children.splice(0).map((child) => end(child, 'SIGKILL')));
    await service.stop();
    await rm(dir, { recursive: true, force: true });
  });

  function start(args: string[]): ChildProcess {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    return child;
  }
  async function startReal(): Promise<ChildProcess> {
    const config = join(dir, 'agent.json');
    await writeFile(
      config,
      JSON.stringify({
        url: service.url,
        username: 't1/d-1',
        password: 'secret',
        stateDir: '.',
        slots: { firmware: {} },
      }),
    );
    return start(['dist/agent/main.js', '--config', config]);
  }
  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  }
  const slots = () => new SlotFiles(join(dir, 'slots'), true);

  /** Starts an installation, kills the agent's process at this place, and looks at what it leaves. */
  async function killedAt(place: string): Promise<void> {
    await slots().deliver('firmware', 'factory', '1.0.0');
    const before = await digestOf(slots().currentPath('firmware'));
    const killed = start(['test/agent/killable-agent.js', service.url, dir, place]);
    let said = '';
    killed.stdout?.on('data', (text) => (said += String(text)));
    await service.publish('d-1', documentFor(file));
    await service.until(() => said.includes(place), `the agent to come to "${place}"`);
    await end(killed, 'SIGKILL');
    expect([before, file.sha256]).toContain(await digestOf(slots().currentPath('firmware')));
    expect(JSON.parse(await readFile(join(dir, 'state.json'), 'utf8'))).toMatchObject({ v: 1 });
  }
  async function finishesOnce(): Promise<void> {
    await service.until(
      () =>
        service.hellos('d-1').some(({ slots: { firmware } }) => firmware?.sha256 === file.sha256 && firmware.confirmed),
      'a hello with the new content',
    );
    await service.status('d-1', 'installed');
    expect(await digestOf(slots().currentPath('firmware'))).toBe(file.sha256);
    expect(await slots().held('firmware')).toMatchObject({ version: '1.5.0', confirmed: true });
    expect(await slots().journal()).toHaveLength(1);
    expect(service.states('d-1')).not.toContain('failed');
  }

  it.each(PLACES)(
    'at "%s": its slot is whole, and after a restart it finishes the installation once',
    async (place) => {
      await killedAt(place);
      const requests = server.requests.length;
      const device = await testDevice(service.url, {}, ['firmware'], dir);
      try {
        await device.boot();
        await finishesOnce();
        if (place === 'piece')
          expect(server.requests[requests]).toMatchObject({
            range: expect.stringMatching(/^bytes=[1-9]/),
            status: 206,
          });
      } finally {
        await device.end();
      }
    },
  );

  it('is followed by slipway-agent --config on the same disk, which finishes the installation and ends by SIGTERM', async () => {
    await killedAt('swapped');
    const agent = await startReal();
    await finishesOnce();
    expect(await end(agent, 'SIGTERM')).toBe(0);
  });

  it('says what is wrong with its configuration, all of it, and ends with 2', async () => {
    const config = join(dir, 'agent.json');
    await writeFile(config, JSON.stringify({ url: 'http://x', username: 'nobody', stateDir: '.', slots: {} }));
    const child = start(['dist/agent/main.js', '--config', config]);
    let said = '';
    child.stderr?.on('data', (text) => (said += String(text)));
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(2);
    for (const member of ['url', 'username', 'password', 'slots']) expect(said).toContain(`  ${member}: `);
  });
});
