import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from '../../agent/core/agent.js';
import type { AgentEvent } from '../../agent/core/event-log.js';
import { SYSTEM_CLOCK, type Clock } from '../../agent/core/clock.js';
import { FileInstaller } from '../../agent/core/file-installer.js';
import type { Hooks } from '../../agent/core/hooks.js';
import { SlotFiles } from '../../agent/core/slot-files.js';
import type { Timings } from '../../agent/core/timings.js';
import { codeOf } from '../../agent/core/write-file.js';
import { TENANT } from './service.js';

/** Quick, so that a test sees a second try without waiting for it. */
export const QUICK: Partial<Timings> = {
  reconnect: { firstMs: 20, maxMs: 200 },
  repeat: { firstMs: 150, maxMs: 600 },
  download: { firstMs: 20, maxMs: 100 },
  answer: 300,
  drain: 500,
  look: 50,
  kept: 50,
  subscribed: 1_000,
  children: 400,
};

export interface TestDevice {
  readonly id: string;
  readonly dir: string;
  readonly events: AgentEvent[];
  readonly files: SlotFiles;
  /** The agent that runs now: another one after each reboot. */
  agent(): Agent;
  boot(): Promise<void>;
  /** A power cut, and the next start. */
  crash(): void;
  /** What the slot's file holds, as SHA-256; undefined = there is none. */
  digest(slot?: string): Promise<string | undefined>;
  end(): Promise<void>;
}

/**
 * A reference agent whose reboot is a restart from its files, in a folder of its own, or on the disk that another one
 * left.
 */
export async function testDevice(
  url: string,
  hooks: Hooks = {},
  slots: string[] = ['firmware'],
  existing?: string,
  clock: Clock = SYSTEM_CLOCK,
): Promise<TestDevice> {
  const id = 'd-1';
  const dir = existing ?? (await mkdtemp(join(tmpdir(), 'slipway-agent-')));
  const events: AgentEvent[] = [];
  const files = new SlotFiles(join(dir, 'slots'), true, async (point, slot) => hooks.at?.(point, slot));
  let agent: Agent | undefined;
  let reboots: Promise<void> = Promise.resolve();
  let hasEnded = false;
  const running = () => {
    if (!agent) throw new Error('the device has not been booted');
    return agent;
  };
  const boot = async () => {
    if (hasEnded) return;
    const restart = async () => {
      reboots = running().shutOff().then(boot);
    };
    agent = new Agent({
      url,
      username: `${TENANT}/${id}`,
      password: 'secret',
      stateDir: dir,
      slots,
      hooks,
      timings: QUICK,
      clock,
      installer: new FileInstaller(join(dir, 'slots'), files, restart),
      onEvent: (event) => void events.push(event),
    });
    await agent.start();
  };
  return {
    id,
    dir,
    events,
    files,
    boot,
    crash() {
      reboots = running().shutOff().then(boot);
    },
    agent: running,
    digest: (slot = 'firmware') => digestOf(files.currentPath(slot)),
    async end() {
      hasEnded = true;
      await reboots;
      await agent?.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export async function digestOf(path: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
