import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { digestOf } from './device.js';
import { FileServer } from './file-server.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';

let service: TestService;
let server: FileServer;
let agent: RealAgent;
beforeAll(async () => {
  server = await FileServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  service = await TestService.start();
  agent = await RealAgent.create(service.url);
});
afterEach(async () => {
  await agent.remove();
  await service.stop();
});

/** What a power cut, a worn flash or a person leaves in a file. */
const DAMAGES: readonly (readonly [string, (whole: string) => string | Buffer])[] = [
  ['empty', () => ''],
  ['cut in the middle', (whole) => whole.slice(0, whole.length / 2)],
  ['full of zeros', (whole) => Buffer.alloc(whole.length)],
  ['JSON of another shape', () => '{"v": 1, "slots": {"firmware": null}, "unacknowledged": [null]}'],
  ['null', () => 'null'],
];
const CHILD = '0b7a9d1e-6a53-4a58-9a3e-6f0f6f1f2a10';
/** A child that cannot say the digest of what it holds, so that the agent's memory of it counts. */
const FIELD = `
case "$SLIPWAY_ACTION" in
  current) printf '{"firmware": {"version": "%s"}}' "$(cat "$DIR/child-version" 2>/dev/null || echo 1.0.0)" ;;
  install) echo "$SLIPWAY_VERSION" > "$DIR/child-version" ;;
esac`;

/** A gateway with one slot of each kind and a child, each of which has been installed once. */
async function used(): Promise<void> {
  const command = [await agent.script('child.sh', FIELD)];
  await agent.configure({
    slots: {
      firmware: {},
      configuration: { file: agent.path('app.conf') },
      bootloader: { command: [await agent.script('install.sh', 'true')] },
    },
    children: [{ device: 'AA:BB', command }],
  });
  service.aliases = { 'AA:BB': CHILD };
  agent.start();
  await service.until(() => service.hellos('d-1').length > 0, 'the first hello');
  await installAll(1);
  await service.until(() => service.hellos('d-1').length > 1, 'the hello after the reboot');
  await agent.end('SIGTERM');
}
async function installAll(revision: number): Promise<void> {
  const slots = ['firmware', 'configuration', 'bootloader'];
  const files = slots.map((slot) => server.file(`${slot}-${revision}`, 20_000));
  const documents = slots.map((slot, index) => documentFor(files[index]!, { slot, revision }));
  for (const desired of documents) await service.publish('d-1', desired);
  const childs = documentFor(server.file(`child-${revision}`, 20_000), {
    revision,
    device: { id: CHILD, aliases: ['AA:BB'] },
  });
  await service.publish(CHILD, childs, 'd-1');
  for (const { installationId } of documents)
    await service.until(
      () => service.states('d-1', installationId).includes('installed'),
      'an installation of the gateway',
      30_000,
    );
  await service.until(
    () => service.states(CHILD, childs.installationId).includes('installed'),
    'the installation of the child',
    30_000,
  );
  expect(await digestOf(agent.path('state/slots/firmware/current'))).toBe(files[0]!.sha256);
}

describe('slipway-agent and files of its own that are damaged', () => {
  it.each(DAMAGES)(
    'sets aside what is %s, reports it in its hello and its log, and continues',
    async (_, damage) => {
      await used();
      const names = (await readdir(agent.path('state'), { recursive: true })).filter((name) => name.endsWith('.json'));
      expect(names.sort()).toEqual([
        `children/${CHILD}/state.json`,
        'children/ids.json',
        'handlers/bootloader.json',
        'handlers/children/AA%3ABB/firmware.json',
        'handlers/configuration.json',
        'slots/firmware/manifest.json',
        'state.json',
      ]);
      for (const name of names)
        await writeFile(agent.path(`state/${name}`), damage(await readFile(agent.path(`state/${name}`), 'utf8')));
      await writeFile(
        agent.path('state/slots/journal.jsonl'),
        damage(await readFile(agent.path('state/slots/journal.jsonl'), 'utf8')),
      );

      const before = service.hellos('d-1').length;
      service.heard.splice(0, service.heard.length, ...service.heard.filter(({ type }) => type !== 'log'));
      agent.start();
      await service.until(() => service.hellos('d-1').length > before, 'a hello');
      await installAll(2);
      const set = (await readdir(agent.path('state'), { recursive: true })).filter((name) => name.endsWith('.corrupt'));
      const told = service.hellos('d-1').flatMap(({ damaged }) => damaged ?? []);
      for (const name of names) {
        expect(set).toContain(`${name}.corrupt`);
        expect(told).toContainEqual(expect.stringContaining(`${name} cannot be read`));
      }
      const log = await service.until(() => service.heard.find(({ type }) => type === 'log'), 'the log');
      expect(JSON.stringify(log.body)).toContain('cannot be read');
    },
    120_000,
  );

  it.each([
    ['empty', ''],
    ['of the process 1', '{"pid":1,"startedAt":"1","boot":"x","endBy":0}'],
    ['cut in the middle', '{"pid":12'],
  ])('is blocked by no record of a run that is %s', async (_, record) => {
    const command = [await agent.script('install.sh', 'true')];
    await agent.configure({ slots: { firmware: { command } } });
    const path = agent.path('state/handlers/firmware.run');
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, record);
    agent.start();
    await service.until(() => service.hellos('d-1').length > 0, 'the first hello');
    await service.publish('d-1', documentFor(server.file('1', 1_000)));
    await service.status('d-1', 'installed');
  });

  it('continues a download whose ETag is damaged', async () => {
    await agent.configure({ slots: { firmware: {} } });
    const file = server.file('1', 200_000);
    const part = agent.path(`state/downloads/${file.sha256}-200000.part`);
    server.mishaps.push({ stallAfter: 100_000 });
    agent.start();
    await service.publish('d-1', documentFor(file));
    await until('half of it', async () => (await readFile(part)).length >= 50_000);
    await agent.end('SIGKILL');
    await writeFile(`${part}.etag`, Buffer.alloc(18));
    agent.start();
    await service.status('d-1', 'installed');
    expect(await digestOf(agent.path('state/slots/firmware/current'))).toBe(file.sha256);
  });
});

describe('slipway-agent and a second one', () => {
  it('lets none begin on the same state folder, with a sentence, and lets one begin after it was killed', async () => {
    await agent.configure({ slots: { firmware: {} } });
    agent.start();
    await service.until(() => service.hellos('d-1').length > 0, 'the first hello');
    const second = agent.another();
    try {
      second.start();
      expect(await until('its end', () => second.exit)).toBe(2);
      expect(second.output).toMatch(/state is in use by another agent \(process \d+\): one device has one agent\n$/);
      expect(agent.exit).toBeUndefined();
      await agent.end('SIGKILL');
      second.start();
      await service.until(() => service.hellos('d-1').length > 1, 'the hello of the second one');
    } finally {
      await second.end('SIGKILL');
    }
  });
});
