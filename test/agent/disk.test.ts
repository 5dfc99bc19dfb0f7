import { mkdir, open, readdir, readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { digestOf } from './device.js';
import { FileServer, type ServedFile } from './file-server.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';
import { SmallDisk } from './small-disk.js';

const DISK = 4 * 1024 * 1024;

let service: TestService;
let server: FileServer;
let agent: RealAgent;
let disk: SmallDisk;
beforeAll(async () => {
  server = await FileServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  service = await TestService.start();
  agent = await RealAgent.create(service.url);
  await mkdir(agent.path('small'));
  disk = await SmallDisk.create(agent.path('small'), DISK);
});
afterEach(async () => {
  await agent.remove();
  await disk.end();
  await service.stop();
  server.requests.length = 0;
  server.mishaps.length = 0;
});

const started = async (slots: object) => {
  await agent.configure({ slots, stateDir: agent.path('small/state') });
  agent.start({ under: disk.under });
  await service.until(() => service.hellos('d-1').length > 0, 'the first hello');
};
const noSpace = async () =>
  expect((await service.status('d-1', 'failed')).error).toMatchObject({ code: 'NO_SPACE', retriable: false });
/** The end is written down, acknowledged, and nothing of the download is left. */
const isClean = () =>
  until('a clean disk', async () => {
    const state = JSON.parse(await readFile(disk.path('state/state.json'), 'utf8')) as { unacknowledged: unknown[] };
    return state.unacknowledged.length === 0 && (await readdir(disk.path('state/downloads'))).length === 0;
  });
/** The disk is free again: then the agent goes on as if nothing had been. */
const installs = async (file: ServedFile, revision: number, also: object = {}) => {
  const desired = documentFor(file, { revision, ...also });
  await service.publish('d-1', desired);
  await service.until(() => service.states('d-1', desired.installationId).includes('installed'), 'an installation');
};

describe('slipway-agent on a disk that is full', () => {
  it('says NO_SPACE before the download where the file has no room, and asks the server for nothing', async () => {
    await started({ firmware: {} });
    await service.publish('d-1', documentFor(server.file('1', DISK)));
    await noSpace();
    expect(server.requests).toEqual([]);
    await isClean();
  }, 60_000);

  it('says so also where the file just fits, and where the slot has no room for its copy', async () => {
    await started({ firmware: {}, configuration: { file: agent.path('small/app.conf') } });
    await service.publish('d-1', documentFor(server.file('1', await disk.free())));
    await noSpace();
    const other = documentFor(server.file('2', 2_500_000), { slot: 'configuration' });
    await service.publish('d-1', other);
    await service.until(() => service.states('d-1', other.installationId).includes('failed'), 'the other failure');
    expect(service.statuses('d-1', other.installationId).at(-1)?.error?.code).toBe('NO_SPACE');
    expect(server.requests).toEqual([]);
    await isClean();
    await installs(server.file('3', 1_000_000), 2, { slot: 'configuration' });
  }, 60_000);

  it.each([
    ['to the last byte', 0],
    ['but for one page', 4_096],
    ['but for a page and a half', 6_144],
  ])(
    'says NO_SPACE at once where another program fills the disk %s in the middle of a download',
    async (_, spare) => {
      await started({ firmware: {} });
      const file = server.file('1', 2_000_000);
      server.mishaps.push({ stallAfter: 500_000 });
      const first = documentFor(file);
      await service.publish('d-1', first);
      await until('half of the download', async () => {
        const [part] = (await readdir(disk.path('state/downloads'))).filter((name) => name.endsWith('.part'));
        return part !== undefined && (await readFile(disk.path(`state/downloads/${part}`))).length >= 400_000;
      });
      await disk.fill(spare);
      server.dropAll(); // the agent goes on at once, with the rest of the file
      await noSpace();
      await isClean();
      expect(service.states('d-1', first.installationId).at(-1)).toBe('failed');
      await disk.clear();
      await installs(file, 2);
      expect(await digestOf(disk.path('state/slots/firmware/current'))).toBe(file.sha256);
    },
    60_000,
  );

  it('continues where everything is full from the beginning of an installation to its end, over a restart', async () => {
    const install = await agent.script('install.sh', 'true');
    await started({ firmware: { command: [install] } });
    await disk.fill();
    for (const revision of [2, 3]) {
      const desired = documentFor(server.file(`full-${revision}`, 100_000), { revision });
      await service.publish('d-1', desired);
      await service.until(() => service.states('d-1', desired.installationId).includes('failed'), 'the failure');
      await isClean();
      await agent.end('SIGKILL');
      await disk.fill();
      agent.start({ under: disk.under });
    }
    await disk.clear();
    await until('the room that is kept to be taken again', async () => {
      await service.command('d-1', 'cancel');
      return (await readdir(disk.path('state'))).includes('reserve');
    });
  }, 60_000);

  it('removes what a crash left of a copy beside a slot that is a file', async () => {
    await started({ configuration: { file: agent.path('small/app.conf') } });
    await agent.end('SIGKILL');
    const left = await open(disk.path('app.conf.slipway-new'), 'w');
    await left.writeFile(Buffer.alloc(500_000));
    await left.close();
    agent.start({ under: disk.under });
    await until('it to be gone', async () => !(await readdir(disk.path())).includes('app.conf.slipway-new'));
  }, 60_000);

  it('ends for no line of its log that cannot be written', async () => {
    const full = await open('/dev/full', 'w');
    try {
      await agent.configure({ slots: { firmware: {} } });
      agent.start({ stderr: full.fd });
      await service.until(() => service.hellos('d-1').length > 0, 'the first hello');
      await installs(server.file('1', 10_000), 1);
      expect(agent.exit).toBeUndefined();
    } finally {
      await full.close();
    }
  }, 60_000);
});
