import { stat } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { until } from '../support/until.js';
import { FileServer, type ServedFile } from './file-server.js';
import { isAlive, killAll } from './processes.js';
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
  await agent.end('SIGKILL');
  killAll(await pids('pid'));
  await agent.remove();
  await service.stop();
});

const pids = async (name: string) =>
  ((await agent.text(name)) ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
const hello = () => service.until(() => service.hellos('d-1').at(-1), 'a hello');
const endOf = (attempt: number, deadlineMs = 30_000) =>
  service.until(
    () => service.statuses('d-1').find((one) => one.attempt === attempt && /installed|failed/.test(one.state)),
    `the end of attempt ${attempt}`,
    deadlineMs,
  );

/** The first attempt of an installation, and the one that follows each failure. */
async function attempts(): Promise<(attempt: number) => Promise<void>> {
  const desired: Desired = documentFor(file);
  return (attempt) => service.publish('d-1', { ...desired, attempt, revision: attempt });
}

/** What a first attempt leaves at work: it ignores SIGTERM and writes on, and a second attempt must never meet it. */
const STUBBORN = `(trap '' TERM HUP; while :; do echo "$SLIPWAY_ATTEMPT" >> "$DIR/writes"; sleep 0.05; done) & echo $! >> "$DIR/pid"`;
const MEETS = `before=$(wc -l < "$DIR/writes"); sleep 0.3; [ "$before" = "$(wc -l < "$DIR/writes")" ] || echo "it still writes" >> "$DIR/faults"; exit 0`;

describe('slipway-agent and what a command started', () => {
  it.each([
    ['its leader dies of the SIGTERM after its time', `[ "$SLIPWAY_ATTEMPT" = 1 ] || { ${MEETS}; }; ${STUBBORN}; wait`],
    [
      'its leader fails',
      `[ "$SLIPWAY_ATTEMPT" = 1 ] || { ${MEETS}; }; ${STUBBORN}; until [ -e "$DIR/writes" ]; do sleep 0.05; done; exit 1`,
    ],
  ])(
    'is ended to the last process before the next attempt begins, where %s',
    async (_, body) => {
      const command = [await agent.script('install.sh', body)];
      await agent.configure({ slots: { firmware: { command, timeoutSeconds: 0.5 } } });
      agent.start();
      await hello();
      const attempt = await attempts();
      await attempt(1);
      expect((await endOf(1)).state).toBe('failed');
      await attempt(2);
      expect((await endOf(2)).state).toBe('installed');
      expect(await agent.text('faults')).toBeUndefined();
    },
    60_000,
  );

  it('is ended before the command begins again, where the agent was killed and the leader is gone', async () => {
    const body = `[ -e "$DIR/pid" ] && { ${MEETS}; }; ${STUBBORN}; sleep 0.5; exit 1`;
    await agent.configure({ slots: { firmware: { command: [await agent.script('install.sh', body)] } } });
    agent.start();
    await hello();
    await (
      await attempts()
    )(1);
    await until('what the command started', () => agent.text('writes'));
    await agent.end('SIGKILL');
    agent.start();
    expect((await endOf(1)).state).toBe('installed');
    expect(await agent.text('faults')).toBeUndefined();
  }, 60_000);

  it('is left alone where the command ended with 0, and its output is bounded', async () => {
    const daemon = `(while :; do head -c 500000 /dev/zero; sleep 0.1; done) & echo $! >> "$DIR/pid"; exit 0`;
    await agent.configure({ slots: { firmware: { command: [await agent.script('install.sh', daemon)] } } });
    agent.start();
    await hello();
    await (
      await attempts()
    )(1);
    expect((await endOf(1)).state).toBe('installed');
    const size = async () => (await stat(agent.path('state/handlers/firmware.out'))).size;
    await until('its output to become larger than it may be', async () => (await size()) > 2_000_000);
    await until('its output to be cut', async () => (await size()) < 2_000_000);
    expect((await pids('pid')).every(isAlive)).toBe(true);
  }, 60_000);

  it('ends no agent where it became another user: the attempt fails, and no other one begins while it is there', async () => {
    // As sudo does it. An agent without CAP_KILL may not signal another user's process; only root can take it away.
    if (process.getuid?.() !== 0) throw new Error('this test needs root: a command must become another user');
    const become = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups';
    const body = `echo attempt >> "$DIR/attempts"; [ "$SLIPWAY_ATTEMPT" = 1 ] || exit 0; echo $$ >> "$DIR/pid"
${become} sh -c "trap '' TERM; while :; do sleep 0.1; done"`;
    const command = [await agent.script('install.sh', body)];
    await agent.configure({ slots: { firmware: { command, timeoutSeconds: 0.5 } } });
    agent.start({ under: ['setpriv', '--bounding-set=-kill', '--inh-caps=-kill'] });
    await hello();
    const attempt = await attempts();
    await attempt(1);
    expect((await endOf(1)).error).toMatchObject({
      code: 'INSTALL_FAILED',
      message: expect.stringContaining('could not be stopped'),
      retriable: true,
    });
    await attempt(2);
    expect((await endOf(2)).error).toMatchObject({ code: 'BUSY', retriable: true });
    expect(await agent.text('attempts')).toBe('attempt\n');
    killAll(await pids('pid'));
    await attempt(3);
    expect((await endOf(3)).state).toBe('installed');
    expect(agent.exit).toBeUndefined();
  }, 90_000);
});

describe('slipway-agent and content that a command has just put into its slot', () => {
  it('is not reported as confirmed before the end of its installation, also after kill -9', async () => {
    // The slot holds the new content already, and the command still has to tell the boot loader, say.
    const install = await agent.script(
      'install.sh',
      'cp "$SLIPWAY_FILE" "$DIR/slot"; : > "$DIR/written"; while [ ! -e "$DIR/go" ]; do sleep 0.1; done',
    );
    const current = await agent.script(
      'current.sh',
      `[ -e "$DIR/slot" ] || { echo '{}'; exit 0; }
printf '{"sha256": "%s"}' "$(sha256sum "$DIR/slot" | cut -d" " -f1)"`,
    );
    await agent.configure({ slots: { firmware: { command: [install], current: [current] } } });
    agent.start();
    await hello();
    const told = () =>
      service
        .hellos('d-1')
        .flatMap(({ slots }) => (slots['firmware']?.sha256 === file.sha256 ? [slots['firmware'].confirmed] : []));
    await service.publish('d-1', documentFor(file));
    await until('the content in the slot', async () => agent.has('written'));
    await service.command('d-1', 'hello');
    await service.until(() => told().length > 0, 'a hello with the new content', 60_000);
    await agent.end('SIGKILL');
    const before = told().length;
    agent.start();
    await service.until(() => told().length > before, 'a hello of the next start', 60_000);
    expect(told()).not.toContain(true);
    await agent.write('go');
    expect((await endOf(1, 60_000)).state).toBe('installed');
    await service.command('d-1', 'hello');
    await service.until(() => told().includes(true), 'a hello that tells it as confirmed', 60_000);
  }, 200_000);

  it('is in each hello after the report of the reboot, never the old content that was read before', async () => {
    const install = await agent.script(
      'install.sh',
      ': > "$DIR/begun"; while [ ! -e "$DIR/write" ]; do sleep 0.1; done; cp "$SLIPWAY_FILE" "$DIR/slot"',
    );
    // Reads the slot, and takes its time once with the answer.
    const current = await agent.script(
      'current.sh',
      `sha=$(sha256sum "$DIR/slot" | cut -d" " -f1)
if [ -e "$DIR/slow" ]; then rm "$DIR/slow"; : > "$DIR/read"; while [ ! -e "$DIR/go" ]; do sleep 0.1; done; fi
printf '{"sha256": "%s"}' "$sha"`,
    );
    await agent.write('slot', 'old');
    const slots = { firmware: { command: [install], current: [current] } };
    // It stays up: what it says between the report of the reboot and the reboot itself is heard.
    await agent.configure({ slots, reboot: [await agent.script('reboot.sh', 'true')] });
    service.acknowledges = false;
    agent.start();
    await hello();
    await service.publish('d-1', documentFor(file));
    await until('the command at work', async () => agent.has('begun'));
    await agent.write('slow');
    await service.command('d-1', 'hello');
    await until('the old content to be read', async () => agent.has('read'));
    await agent.write('write');
    await service.status('d-1', 'rebooting', 60_000);
    await agent.write('go');
    const after = () =>
      service.heard
        .slice(service.heard.findIndex(({ body }) => 'state' in body && body.state === 'rebooting'))
        .flatMap(({ type, body }) => (type === 'hello' && 'slots' in body ? [body.slots['firmware']?.sha256] : []));
    await service.until(() => after().length >= 3, 'hellos after the report of the reboot', 90_000);
    expect([...new Set(after())]).toEqual([file.sha256]);
  }, 200_000);
});

describe('slipway-agent and the output of a command', () => {
  it('treats a command as ended when its process has ended, also with its standard output still open', async () => {
    const current = await agent.script(
      'current.sh',
      `sleep 300 & echo $! >> "$DIR/pid"; printf '{"version": "1.0.0"}'`,
    );
    const install = await agent.script('install.sh', 'true');
    await agent.configure({ slots: { firmware: { command: [install], current: [current] } } });
    for (const life of [1, 2]) {
      agent.start();
      await service.until(() => service.hellos('d-1').length >= life, `the hello of life ${life}`, 10_000);
      expect(service.hellos('d-1').at(-1)?.slots['firmware']).toMatchObject({ version: '1.0.0' });
      const asked = performance.now();
      await agent.end('SIGTERM');
      expect(performance.now() - asked).toBeLessThan(10_000);
    }
    expect((await pids('pid')).every(isAlive)).toBe(true);
  }, 60_000);

  it('reads progress behind megabytes and behind a line without an end, keeps the newest, and bounds it on the disk', async () => {
    const body = `head -c 200000000 /dev/zero | tr '\\0' x; echo; echo "progress 30000"
sleep 0.3; head -c 70000 /dev/zero | tr '\\0' y; echo; echo "progress 60000"; sleep 0.5
echo "sector 7 is bad" >&2; exit 70`;
    await agent.configure({ slots: { firmware: { command: [await agent.script('install.sh', body)] } } });
    agent.start();
    await hello();
    await (
      await attempts()
    )(1);
    const failed = await endOf(1);
    expect(failed.error?.message).toMatch(/ended with 70: sector 7 is bad$/);
    const pushed = service.heard.flatMap((message) =>
      message.type === 'progress' && message.body.phase === 'push' ? [message.body.bytes] : [],
    );
    // On a busy machine both lines may be there at one look: then the newer one counts.
    expect([[30_000, 60_000], [60_000]]).toContainEqual(pushed);
    expect((await stat(agent.path('state/handlers/firmware.out'))).size).toBeLessThan(2_000_000);
  }, 60_000);
});
