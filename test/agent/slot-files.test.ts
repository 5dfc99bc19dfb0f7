import { execFileSync } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { digestOf } from './device.js';
import { FileServer, type ServedFile } from './file-server.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';

let service: TestService;
let server: FileServer;
let agent: RealAgent;
let file: ServedFile;
beforeAll(async () => {
  server = await FileServer.start();
  file = server.file('1.5.0', 20_000);
});
afterAll(() => server.stop());
beforeEach(async () => {
  service = await TestService.start();
  agent = await RealAgent.create(service.url);
  await mkdir(agent.path('etc'));
});
afterEach(async () => {
  await agent.remove();
  await service.stop();
});

const TARGET = 'etc/app.conf';
const begin = async (how: object = {}) => {
  await agent.configure({ slots: { configuration: { file: agent.path(TARGET), ...how } } });
  agent.start();
  await service.until(() => service.hellos('d-1').length > 0, 'the first hello');
};
const install = async () => {
  await service.publish('d-1', documentFor(file, { slot: 'configuration' }));
  return service.until(
    () => service.statuses('d-1').find(({ state }) => state === 'installed' || state === 'failed'),
    'the end',
  );
};
/** Node.js has no call for them; Python, which the project's set-up needs anyway, has. */
const python = (code: string, ...args: string[]) =>
  execFileSync('python3', ['-c', `import os,sys\n${code}`, ...args], { encoding: 'utf8' }).trim();

describe('slipway-agent and a slot that is a file', () => {
  it('keeps its owner, its mode with setuid, and its extended attributes', async () => {
    if (process.getuid?.() !== 0) throw new Error('this test needs root: the file belongs to another user');
    await writeFile(agent.path(TARGET), 'old');
    await chown(agent.path(TARGET), 65_534, 65_533);
    await chmod(agent.path(TARGET), 0o6751);
    python(
      `os.setxattr(sys.argv[1],'user.origin',b'a person')
os.setxattr(sys.argv[1],'security.capability',bytes.fromhex('0100000200200000000000000000000000000000'))`,
      agent.path(TARGET),
    );
    await begin();
    expect((await install()).state).toBe('installed');
    expect(await digestOf(agent.path(TARGET))).toBe(file.sha256);
    const { uid, gid, mode } = await stat(agent.path(TARGET));
    expect([uid, gid, (mode & 0o7777).toString(8)]).toEqual([65_534, 65_533, '6751']);
    expect(
      python(
        `print(*[(n, os.getxattr(sys.argv[1],n).hex()) for n in sorted(os.listxattr(sys.argv[1]))])`,
        agent.path(TARGET),
      ),
    ).toBe(
      `('security.capability', '0100000200200000000000000000000000000000') ('user.origin', '${Buffer.from('a person').toString('hex')}')`,
    );
  });

  it.each([
    ['the file', {}],
    ['a command with a question to ask', { current: true }],
  ])(
    'reports content as installed that is there and cannot be remembered: %s',
    async (_, how) => {
      const [installer, current] = [
        await agent.script('install.sh', 'cp "$SLIPWAY_FILE" "$DIR/etc/app.conf"'),
        await agent.script(
          'current.sh',
          'printf \'{"sha256": "%s"}\' "$(sha256sum "$DIR/etc/app.conf" | cut -d" " -f1)"',
        ),
      ];
      await writeFile(agent.path(TARGET), 'old');
      // What is written beside the memory of the slot finds no place.
      await mkdir(agent.path('state/handlers/configuration.json.new/in-the-way'), { recursive: true });
      const slot = 'current' in how ? { command: [installer], current: [current] } : { file: agent.path(TARGET) };
      await agent.configure({ slots: { configuration: slot } });
      agent.start();
      await service.until(() => service.hellos('d-1').length > 0, 'the first hello', 60_000);
      expect(await install()).toMatchObject({ state: 'installed' });
      expect(await digestOf(agent.path(TARGET))).toBe(file.sha256);
    },
    120_000,
  );

  it.each([
    ['to a file', 'other.conf', 'old'],
    ['to what is not there yet', 'later.conf', undefined],
  ])('writes through a symbolic link %s', async (_, name, content) => {
    await mkdir(agent.path('elsewhere'));
    if (content !== undefined) await writeFile(agent.path(`elsewhere/${name}`), content);
    await symlink(`../elsewhere/${name}`, agent.path(TARGET));
    await begin();
    expect((await install()).state).toBe('installed');
    expect((await lstat(agent.path(TARGET))).isSymbolicLink()).toBe(true);
    expect(await digestOf(agent.path(`elsewhere/${name}`))).toBe(file.sha256);
  });

  it('refuses a symbolic link where its slot says so, before the download', async () => {
    server.requests.length = 0;
    await writeFile(agent.path('etc/other.conf'), 'old');
    await symlink('other.conf', agent.path(TARGET));
    await begin({ symlink: 'refuse' });
    expect((await install()).error).toMatchObject({
      code: 'INSTALL_FAILED',
      message: expect.stringContaining('is a symbolic link'),
      retriable: false,
    });
    expect(await readFile(agent.path('etc/other.conf'), 'utf8')).toBe('old');
    expect((await lstat(agent.path(TARGET))).isSymbolicLink()).toBe(true);
    expect(server.requests).toEqual([]);
  });

  it.each([
    ['a folder', async () => void (await mkdir(agent.path(TARGET)))],
    ['a pipe', async () => void execFileSync('mkfifo', [agent.path(TARGET)])],
    ['a link to a device', async () => symlink('/dev/zero', agent.path(TARGET))],
    ['a circle of links', async () => symlink('app.conf', agent.path(TARGET))],
  ])('refuses %s, reads nothing from it, and says hello all the same', async (_, make) => {
    await make();
    const before = await lstat(agent.path(TARGET));
    await begin();
    expect((await install()).error).toMatchObject({ code: 'INSTALL_FAILED', retriable: false });
    const after = await lstat(agent.path(TARGET));
    expect([after.ino, after.mode]).toEqual([before.ino, before.mode]);
    expect(await readdir(agent.path('etc'))).toEqual(['app.conf']);
  });

  it('gives a file that is not there yet the mode that its slot names', async () => {
    await begin({ mode: '0600' });
    expect((await install()).state).toBe('installed');
    expect((await stat(agent.path(TARGET))).mode & 0o7777).toBe(0o600);
  });

  it('lets no other user read a download, also one that is held, also in folders that were there before', async () => {
    await mkdir(agent.path('state/downloads'), { recursive: true });
    await Promise.all([chmod(agent.path('state'), 0o755), chmod(agent.path('state/downloads'), 0o755)]);
    const part = agent.path(`state/downloads/${file.sha256}-20000.part`);
    await writeFile(part, file.bytes.subarray(0, 100), { mode: 0o644 });
    await begin();
    const desired = documentFor(file, { slot: 'configuration', gate: 'hold' });
    await service.publish('d-1', desired);
    await service.status('d-1', 'downloaded');
    const modes = async () =>
      Promise.all([agent.path('state/downloads'), part].map(async (path) => (await stat(path)).mode & 0o077));
    expect(await modes()).toEqual([0, 0]);
    await service.publish('d-1', { ...desired, gate: 'go', revision: 2 });
    await service.status('d-1', 'installed');
    await until('the download to be gone', async () => (await readdir(agent.path('state/downloads'))).length === 0);
  });
});
