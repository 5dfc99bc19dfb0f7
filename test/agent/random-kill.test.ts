import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../agent/simulator/random.js';
import { digestOf } from './device.js';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { FileServer, type ServedFile } from './file-server.js';
import { RealAgent } from './real-agent.js';
import { documentFor, TestService } from './service.js';

/** The line that runs one of them again: `KILL_SEED=… npx jest test/agent/random-kill`. */
const SEED = Number(process.env['KILL_SEED'] ?? 11);
const KILLS = 10;
/** From the start of a life of the agent to its end; a whole installation takes about a second after 0.4 s of start. */
const LONGEST_LIFE_MS = 1_300;

/**
 * Writes its slot in small pieces, the slowest and most careless way: a stop in the middle would leave
 * half of it, and two at once would be seen.
 */
const CARELESS = `
mkdir "$DIR/busy" 2>/dev/null || { echo "two at once" >> "$DIR/faults"; exit 1; }
: > "$DIR/slot"
piece=0
while [ $piece -lt 8 ]; do
  dd if="$SLIPWAY_FILE" bs=$((SLIPWAY_SIZE / 8)) skip=$piece count=1 2>/dev/null >> "$DIR/slot"
  sleep 0.05
  piece=$((piece + 1))
done
sha256sum "$DIR/slot" | grep -q "$SLIPWAY_SHA256" || echo "half a slot" >> "$DIR/faults"
rmdir "$DIR/busy"`;

describe(`slipway-agent, killed with -9 ${KILLS} times at random (KILL_SEED=${SEED})`, () => {
  let service: TestService;
  let server: FileServer;
  let agent: RealAgent;
  let files: ServedFile[];
  beforeAll(async () => {
    server = await FileServer.start();
    files = [server.file('1.5.0', 8_000_000), server.file('1.6.0', 6_000_000)];
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    service = await TestService.start();
    agent = await RealAgent.create(service.url);
    await writeFile(agent.path('slot'), 'factory');
  });
  afterEach(async () => {
    await agent.remove();
    await service.stop();
  });

  /**
   * One installation after the other, each of the other file, until the agent has died often enough. @param look at
   * each death
   */
  async function killedAgainAndAgain(name: string, look: () => Promise<void>): Promise<void> {
    const random = seededRandom(SEED, name);
    let revision = 0;
    let desired = await next();
    for (let kill = 0; kill < KILLS; kill += 1) {
      if (service.states('d-1', desired.installationId).includes('installed')) desired = await next();
      agent.start();
      await pause(250 + random() * (LONGEST_LIFE_MS - 250));
      await agent.end('SIGKILL');
      await look();
    }
    agent.start();
    await service.until(
      () => service.states('d-1', desired.installationId).includes('installed'),
      'the end of the last installation',
      40_000,
    );
    expect(service.states('d-1')).not.toContain('failed');
    expect(await digestOf(agent.path('slot'))).toBe(desired.firmware.sha256);
    const hello = await service.until(
      () => service.hellos('d-1').findLast(({ slots }) => slots['firmware']?.installationId === desired.installationId),
      'a hello with the new content',
    );
    expect(hello.slots['firmware']).toMatchObject({
      version: desired.firmware.version,
      sha256: desired.firmware.sha256,
      confirmed: true,
    });

    async function next(): Promise<Desired> {
      const made = documentFor(files[revision % 2]!, { revision: (revision += 1) });
      await service.publish('d-1', made);
      return made;
    }
  }

  it('never leaves half a file, and ends as installed', async () => {
    await agent.configure({ slots: { firmware: { file: agent.path('slot') } } });
    const factory = await digestOf(agent.path('slot'));
    await killedAgainAndAgain('file', async () =>
      expect([factory, ...files.map(({ sha256 }) => sha256)]).toContain(await digestOf(agent.path('slot'))),
    );
  }, 90_000);

  it('lets a command that writes the slot finish, never runs two at once, and ends as installed', async () => {
    const command = [await agent.script('install.sh', CARELESS)];
    await agent.configure({ slots: { firmware: { command } } });
    // The command goes on without the agent, and the next agent finds it at work.
    await killedAgainAndAgain('command', async () => expect(await agent.text('faults')).toBeUndefined());
    expect(await agent.text('faults')).toBeUndefined();
  }, 90_000);
});
