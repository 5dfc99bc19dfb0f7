import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { clockOffset, fakedClock } from '../support/faketime.js';
import { digestOf } from './device.js';
import { FileServer, type ServedFile } from './file-server.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';

const DAY_S = 86_400;
/** Takes two seconds; another one at the same time, or one that was broken off, would be seen. */
const SLOW = `
mkdir "$DIR/busy" || { echo "two at once, or one was broken off" >> "$DIR/faults"; exit 1; }
sleep 2
cp "$SLIPWAY_FILE" "$DIR/slot"
rmdir "$DIR/busy"`;

describe('slipway-agent on a machine whose wall clock is set', () => {
  let service: TestService;
  let server: FileServer;
  let agent: RealAgent;
  let file: ServedFile;
  beforeAll(async () => {
    server = await FileServer.start();
    file = server.file('1.5.0', 50_000);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    service = await TestService.start();
    agent = await RealAgent.create(service.url);
    const command = [await agent.script('install.sh', SLOW)];
    await agent.configure({ slots: { firmware: { command, timeoutSeconds: 60 } } });
  });
  afterEach(async () => {
    await agent.remove();
    await service.stop();
  });
  const set = (seconds: number) => agent.write('clock', clockOffset(seconds));
  function start(): void {
    const variables = Object.entries(fakedClock(agent.path('clock'))).map(([name, value]) => `${name}=${value}`);
    agent.start({ under: ['env', ...variables] });
  }
  const busy = () => service.until(() => agent.has('busy'), `the command; ${agent.output}`, 30_000);

  it.each([
    ['from 1970 to now', -Math.floor(Date.now() / 1_000), 0],
    ['to 50 years from now', 0, 50 * 365 * DAY_S],
    ['back by a day', 0, -DAY_S],
  ])('%s while a command is at work, and that is killed: the next one waits for the command', async (_s, from, to) => {
    await set(from);
    start();
    await service.publish('d-1', documentFor(file));
    await busy();
    await set(to);
    await agent.end('SIGKILL');
    start();
    await service.status('d-1', 'installed', 30_000);
    expect(await agent.text('faults')).toBeUndefined();
    expect(await digestOf(agent.path('slot'))).toBe(file.sha256);
    expect(service.states('d-1')).not.toContain('failed');
  });

  it.each([
    ['back by a day', -DAY_S],
    ['back by an hour', -3_600],
  ])('%s says again what was not acknowledged', async (_sentence, to) => {
    await set(0);
    start();
    await service.until(() => service.hellos('d-1').length > 0, 'the hello', 30_000);
    service.acknowledges = false;
    await service.publish('d-1', documentFor(file));
    const outcomes = () => service.states('d-1').filter((state) => state === 'installed').length;
    await service.until(() => outcomes() > 0, 'the outcome', 30_000);
    await set(to);
    const before = outcomes();
    await service.until(() => outcomes() >= before + 2, 'two repetitions', 45_000);
    service.acknowledges = true;
  });
});
