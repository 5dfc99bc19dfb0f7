import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { EXIT_CODES, failureOf } from '../../agent/handlers/exit-codes.js';
import { ERROR_CODES } from '../../protocol/mqtt/payloads.js';
import { digestOf } from './device.js';
import { FileServer, type ServedFile } from './file-server.js';
import { isAlive } from './processes.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';

let service: TestService;
let server: FileServer;
let agent: RealAgent;
let file: ServedFile;
beforeAll(async () => {
  server = await FileServer.start();
  file = server.file('1.5.0', 120_000);
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

const hello = () => service.until(() => service.hellos('d-1').at(-1), 'a hello');
const ofAgain = () =>
  service.until(
    () => service.hellos('d-1').find(({ slots }) => slots['firmware']?.sha256 === file.sha256),
    'a hello with the new content',
  );

describe('slipway-agent', () => {
  it('can be run as the command that package.json names', () => {
    const { bin } = JSON.parse(readFileSync('package.json', 'utf8')) as { bin: Record<string, string> };
    expect(execFileSync(`./${bin['slipway-agent']!}`, ['--help'], { encoding: 'utf8' })).toContain(
      'slipway-agent --config agent.json',
    );
  });
});

describe('slipway-agent with slots that are commands', () => {
  it('runs the command with what it must know in its environment, and says what the slot holds as `current` prints it', async () => {
    const install = await agent.script(
      'install.sh',
      'env | grep ^SLIPWAY_ | sort > "$DIR/env"; cp "$SLIPWAY_FILE" "$DIR/slot.new"; mv "$DIR/slot.new" "$DIR/slot"; echo "$SLIPWAY_VERSION" > "$DIR/version"',
    );
    const current = await agent.script(
      'current.sh',
      'printf \'{"version": "%s"}\' "$(cat "$DIR/version" 2>/dev/null || echo 1.0.0)"',
    );
    await agent.configure({ slots: { firmware: { command: [install], current: [current] } } });
    agent.start();
    expect((await hello()).slots['firmware']).toMatchObject({ version: '1.0.0', sha256: null, confirmed: true });

    const desired = documentFor(file);
    await service.publish('d-1', desired);
    await service.status('d-1', 'installed');
    expect((await ofAgain()).slots['firmware']).toMatchObject({
      version: '1.5.0',
      installationId: desired.installationId,
      confirmed: true,
    });
    expect(await digestOf(agent.path('slot'))).toBe(file.sha256);
    const env = Object.fromEntries(
      (await agent.text('env'))!
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    );
    expect(env).toMatchObject({
      SLIPWAY_ACTION: 'install',
      SLIPWAY_SLOT: 'firmware',
      SLIPWAY_VERSION: '1.5.0',
      SLIPWAY_SHA256: file.sha256,
      SLIPWAY_SIZE: '120000',
      SLIPWAY_ATTEMPT: '1',
      SLIPWAY_INSTALLATION_ID: desired.installationId,
      SLIPWAY_DEVICE: 'd-1',
      SLIPWAY_NAME: 'OSR',
      SLIPWAY_CONTENT_TYPE: 'application/octet-stream',
      SLIPWAY_FILE: expect.stringContaining(file.sha256),
    });
  });

  it('runs `confirm` after the reboot, once the new content is there', async () => {
    const install = await agent.script('install.sh', 'true');
    const confirm = await agent.script('confirm.sh', 'echo "$SLIPWAY_ACTION $SLIPWAY_SLOT" >> "$DIR/confirmed"');
    await agent.configure({ slots: { firmware: { command: [install], confirm: [confirm] } } });
    agent.start();
    await hello();
    await service.publish('d-1', documentFor(file));
    await service.status('d-1', 'installed');
    expect(await agent.text('confirmed')).toBe('confirm firmware\n');
  });

  it.each(Object.entries(EXIT_CODES).map(([exit, { code, retriable }]) => [Number(exit), code, retriable] as const))(
    'takes exit code %d as %s, tried again: %s',
    (exit, code, retriable) => {
      const failure = failureOf('install.sh', {
        code: exit,
        signal: null,
        timedOut: false,
        isOver: true,
        lastWords: 'why',
      });
      expect(failure).toMatchObject({ code, retriable, message: `install.sh ended with ${exit}: why` });
      expect(ERROR_CODES as readonly string[]).toContain(code);
    },
  );

  it('reports what a command that failed said last, and sends its output as log', async () => {
    const install = await agent.script(
      'install.sh',
      'echo "flashing sector 7"; echo "no room on the flash" >&2; exit 73',
    );
    await agent.configure({ slots: { firmware: { command: [install] } } });
    agent.start();
    await hello();
    await service.publish('d-1', documentFor(file));
    expect((await service.status('d-1', 'failed')).error).toEqual({
      code: 'NO_SPACE',
      message: `${install} ended with 73: no room on the flash`,
      retriable: false,
    });
    const log = await service.until(() => service.heard.find(({ type }) => type === 'log'), 'the log');
    expect(JSON.stringify(log.body)).toContain('flashing sector 7');
  });

  it('stops a command that takes too long, with everything that it started', async () => {
    const install = await agent.script('install.sh', 'sleep 300 & echo $! > "$DIR/pid"; wait');
    await agent.configure({ slots: { firmware: { command: [install], timeoutSeconds: 0.5 } } });
    agent.start();
    await hello();
    await service.publish('d-1', documentFor(file));
    expect((await service.status('d-1', 'failed')).error).toMatchObject({
      code: 'INSTALL_FAILED',
      message: expect.stringContaining('took too long'),
      retriable: true,
    });
    const pid = (await agent.text('pid'))!.trim();
    await service.until(() => !isAlive(Number(pid)), 'the end of what it started');
  });
});

describe('slipway-agent with a slot that is a file', () => {
  it('replaces the file atomically, keeps its mode, and reports content that a person put there', async () => {
    await mkdir(agent.path('etc'));
    await writeFile(agent.path('etc/app.conf'), 'from a person');
    await chmod(agent.path('etc/app.conf'), 0o640);
    await agent.configure({ slots: { configuration: { file: agent.path('etc/app.conf') } } });
    agent.start();
    const before = await digestOf(agent.path('etc/app.conf'));
    expect((await hello()).slots['configuration']).toMatchObject({
      version: null,
      sha256: before,
      installationId: null,
    });
    await service.publish('d-1', documentFor(file, { slot: 'configuration' }));
    await service.status('d-1', 'installed');
    expect(await digestOf(agent.path('etc/app.conf'))).toBe(file.sha256);
    expect((await stat(agent.path('etc/app.conf'))).mode & 0o777).toBe(0o640);
    await writeFile(agent.path('etc/app.conf'), 'again from a person');
    await service.command('d-1', 'hello');
    const changed = await digestOf(agent.path('etc/app.conf'));
    const told = await service.until(
      () => service.hellos('d-1').find(({ slots }) => slots['configuration']?.sha256 === changed),
      'a hello with the changed file',
    );
    expect(told.slots['configuration']).toMatchObject({ version: null, installationId: null });
  });
});

describe('slipway-agent as a gateway', () => {
  /** A child is a folder; where there is none, it is not reached. */
  const FIELD = `
CHILD="$DIR/field/$SLIPWAY_CHILD"
[ -d "$CHILD" ] || { echo "no answer from $SLIPWAY_CHILD" >&2; exit 69; }
case "$SLIPWAY_ACTION" in
  reach) ;;
  current) printf '{"firmware": {"version": "%s"}}' "$(cat "$CHILD/version" 2>/dev/null || echo 1.0.0)" ;;
  install) echo "progress $((SLIPWAY_SIZE / 2))"; sleep 0.6; cp "$SLIPWAY_FILE" "$CHILD/next"; echo "$SLIPWAY_VERSION" > "$CHILD/next-version" ;;
  reboot) mv "$CHILD/next" "$CHILD/firmware"; mv "$CHILD/next-version" "$CHILD/version" ;;
esac`;

  it('has its children by a command per child, fetches once for all, and reports a child that it does not reach', async () => {
    const command = [await agent.script('child.sh', FIELD)];
    await mkdir(agent.path('field/c-1'), { recursive: true });
    await mkdir(agent.path('field/c-2'));
    await agent.configure({
      slots: { firmware: {} },
      children: [
        { device: 'c-1', command },
        { device: 'c-2', command },
        { device: 'c-3', command },
      ],
    });
    agent.start();
    const told = (await hello()).children;
    expect(told).toMatchObject([
      { device: 'c-1', reachable: true, slots: { firmware: { version: '1.0.0' } } },
      { device: 'c-2', reachable: true },
      { device: 'c-3', reachable: false, slots: {} },
    ]);
    server.requests.length = 0;
    for (const id of ['c-1', 'c-2', 'c-3'])
      await service.publish(id, documentFor(file, { device: { id, aliases: [] } }), 'd-1');
    for (const id of ['c-1', 'c-2']) {
      await service.status(id, 'installed');
      expect(await digestOf(agent.path(`field/${id}/firmware`))).toBe(file.sha256);
      expect(
        service.heard.some(
          (message) => message.type === 'progress' && message.device === id && message.body.phase === 'push',
        ),
      ).toBe(true);
    }
    expect((await service.status('c-3', 'failed')).error).toMatchObject({ code: 'CHILD_UNREACHABLE', retriable: true });
    expect(server.requests).toHaveLength(1);
  });
});
