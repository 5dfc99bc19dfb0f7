import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FileServer, type ServedFile } from './file-server.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';

/** What the guide promises. */
const MOST_MS = 10_000;
const CHILD = '0b7a9d1e-6a53-4a58-9a3e-6f0f6f1f2a10';

let service: TestService;
let server: FileServer;
let file: ServedFile;
let agent: RealAgent;
beforeAll(async () => {
  server = await FileServer.start();
  file = server.file('1.5.0', 50_000);
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

async function endsInTime(): Promise<void> {
  const begun = performance.now();
  expect(await agent.end('SIGTERM')).toBe(0);
  expect(performance.now() - begun).toBeLessThan(MOST_MS);
}
const written = (name: string) =>
  service.until(() => agent.has(name), `the file "${name}"; the agent said:\n${agent.output}`, 30_000);
/** Says that it runs, and goes on until the test lets it; two at once would be seen. */
const LONG = `
mkdir "$DIR/busy" || { echo "two at once" >> "$DIR/faults"; exit 1; }
echo "$SLIPWAY_ACTION" >> "$DIR/runs"
while [ ! -e "$DIR/go" ]; do sleep 0.1; done
rmdir "$DIR/busy"`;

describe('slipway-agent that is asked to end by SIGTERM', () => {
  it('in the middle of a confirmation: says hello meanwhile, ends within 10 s, and takes it up again', async () => {
    const install = await agent.script('install.sh', 'cp "$SLIPWAY_FILE" "$DIR/slot"');
    const confirm = await agent.script('confirm.sh', LONG);
    await agent.configure({ slots: { firmware: { command: [install], confirm: [confirm] } } });
    agent.start();
    await service.publish('d-1', documentFor(file));
    await written('runs');
    // Not confirmed yet, but there.
    const hello = await service.until(
      () => service.hellos('d-1').find(({ slots }) => slots['firmware']?.sha256 === file.sha256),
      'a hello with the new content while it is being confirmed',
      30_000,
    );
    expect(hello.slots['firmware']?.confirmed).toBe(false);
    await endsInTime();
    expect(agent.has('busy')).toBe(true); // it was left alone
    agent.start();
    await agent.write('go');
    await service.status('d-1', 'installed', 30_000);
    expect(await agent.text('faults')).toBeUndefined();
    expect(service.states('d-1')).not.toContain('failed');
  });

  it("in the middle of a child's reboot: ends within 10 s, waits for its end after the restart, and reports the child installed", async () => {
    const command = await agent.script(
      'child.sh',
      `case $SLIPWAY_ACTION in
reach) ;;
current) printf '{"firmware": {"version": "%s"}}' "$(cat "$DIR/version" 2>/dev/null || echo 1.0.0)" ;;
install) echo "$SLIPWAY_VERSION" > "$DIR/version" ;;
reboot) ${LONG} ;;
esac`,
    );
    await agent.configure({ slots: { firmware: {} }, children: [{ device: CHILD, command: [command] }] });
    agent.start();
    await service.publish(CHILD, documentFor(file, { device: { id: CHILD, aliases: [] } }), 'd-1');
    await written('busy');
    await endsInTime();
    agent.start();
    await service.until(() => service.hellos('d-1').length >= 2, 'the hello of the next start', 30_000);
    await agent.write('go');
    await service.status(CHILD, 'installed', 30_000);
    expect(await agent.text('faults')).toBeUndefined();
  });

  it("in the last of a child's reboots that it asks for: waits for its end before it judges", async () => {
    const command = await agent.script(
      'child.sh',
      `case $SLIPWAY_ACTION in
reach) ;;
current) printf '{"firmware": {"version": "%s"}}' "$(cat "$DIR/runs-it" 2>/dev/null || echo 1.0.0)" ;;
install) echo "$SLIPWAY_VERSION" > "$DIR/pushed" ;;
reboot) ${LONG}; cp "$DIR/pushed" "$DIR/runs-it" ;;
esac`,
    );
    await agent.configure({ slots: { firmware: {} }, children: [{ device: CHILD, command: [command] }] });
    agent.start();
    await service.publish(CHILD, documentFor(file, { device: { id: CHILD, aliases: [] } }), 'd-1');
    await written('busy');
    await endsInTime();
    const state = `state/children/${CHILD}/state.json`;
    await agent.write(state, ((await agent.text(state)) ?? '').replace('"reboots":1', '"reboots":3'));
    agent.start();
    for (let hellos = 2; hellos <= 4; hellos += 1) {
      await service.until(() => service.hellos('d-1').length >= hellos, 'a hello of the next start', 60_000);
      await service.command('d-1', 'hello');
    }
    expect(service.states(CHILD)).not.toContain('failed');
    await agent.write('go');
    await service.status(CHILD, 'installed', 60_000);
  }, 120_000);

  it('while a question hangs: ends within 10 s, and the question with it', async () => {
    const install = await agent.script('install.sh', 'cp "$SLIPWAY_FILE" "$DIR/slot"');
    const current = await agent.script('current.sh', 'echo $$ > "$DIR/asked"; exec sleep 300');
    await agent.configure({ slots: { firmware: { command: [install], current: [current] } } });
    agent.start();
    const pid = await asked();
    await endsInTime();
    await service.until(() => isGone(pid), 'the end of the question');
  });

  it('at a broker that takes nothing any more: ends within 10 s', async () => {
    const mute = await MuteProxy.start(service.url);
    try {
      await agent.configure({ url: mute.url, slots: { firmware: {} } });
      agent.start();
      await service.until(() => service.hellos('d-1').length > 0, 'the hello');
      mute.isMute = true;
      await endsInTime();
    } finally {
      await mute.stop();
    }
  });
});

describe('slipway-agent that is killed with -9 while a question hangs', () => {
  /** Says its id and hangs, once; the next time it answers. */
  const hangsOnce = (answer: string, hanging = 'exec sleep 300') =>
    `[ -e "$DIR/asked" ] && { ${answer}; exit 0; }\necho $$ > "$DIR/asked"; ${hanging}`;

  it.each([
    ['current', 'exec sleep 300', 'ends the question at the next start'],
    ['current', 'sh -c \'echo $$ > "$DIR/asked"; exec sleep 300\'; true', 'ends also what the question had started'],
    ['reach', 'exec sleep 300', "ends the question about a gateway's child"],
  ])('(%s: %s) %s', async (action, hanging) => {
    const contents = { current: 'echo \'{"version": "1.0.0"}\'', reach: 'echo \'{"firmware": {}}\'' };
    const answer = contents[action as keyof typeof contents];
    const script = await agent.script('asked.sh', `export DIR\n${hangsOnce(answer, hanging)}`);
    await agent.configure(
      action === 'current'
        ? { slots: { firmware: { command: [script], current: [script] } } }
        : { slots: { firmware: {} }, children: [{ device: CHILD, command: [script] }] },
    );
    agent.start();
    const pid = await asked();
    await agent.end('SIGKILL');
    expect(isGone(pid)).toBe(false);
    agent.start();
    await service.until(() => isGone(pid), `the end of the question; the agent said:\n${agent.output}`, 60_000);
    await service.until(() => service.hellos('d-1').length > 0, 'a hello of the next start', 60_000);
  });

  it('ends no other process that was given its number', async () => {
    const current = await agent.script('current.sh', hangsOnce('echo \'{"version": "1.0.0"}\''));
    await agent.configure({ slots: { firmware: { command: [current], current: [current] } } });
    agent.start();
    const pid = await asked();
    const trace = `state/handlers/asked/${pid}.run`;
    await service.until(() => agent.has(trace), 'its trace', 60_000);
    const record = JSON.parse((await agent.text(trace)) ?? '') as Record<string, unknown>;
    await agent.end('SIGKILL');
    process.kill(pid, 'SIGKILL');
    const other = spawn('sleep', ['300'], { stdio: 'ignore', detached: true });
    try {
      // As if it had the number now: it began at another time.
      await agent.write(trace, JSON.stringify({ ...record, pid: other.pid }));
      agent.start();
      await service.until(() => service.hellos('d-1').length > 0, 'a hello of the next start', 60_000);
      expect(agent.has(trace)).toBe(false);
      expect(isGone(other.pid!)).toBe(false);
    } finally {
      other.kill('SIGKILL');
    }
  });
});

/** The id that a question wrote down. */
async function asked(): Promise<number> {
  await written('asked');
  return service.until(() => Number(readFileSync(agent.path('asked'), 'utf8')) || undefined, 'its id');
}

/** Also where it is dead and not buried: the first process of a container may not do that. */
function isGone(pid: number): boolean {
  return !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** Stands before the broker, and at some time passes nothing on any more. */
class MuteProxy {
  isMute = false;
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async start(broker: string): Promise<MuteProxy> {
    const server = createServer();
    const proxy = new MuteProxy(server);
    server.on('connection', (near) => {
      const far = connect(Number(new URL(broker).port), '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        proxy.sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.on('data', (bytes) => void (proxy.isMute || to.write(bytes)));
      }
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return proxy;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((done) => this.server.close(() => done()));
  }
}
