import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from '../../agent/core/agent.js';
import type { AgentEvent } from '../../agent/core/event-log.js';
import { FileInstaller } from '../../agent/core/file-installer.js';
import type { Hooks } from '../../agent/core/hooks.js';
import { InstallError, type FieldProcedure, type InstallWatch } from '../../agent/core/installer.js';
import { SlotFiles } from '../../agent/core/slot-files.js';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { QUICK } from './device.js';
import { TENANT } from './service.js';

/** A child on a field bus: its slot is a file of its own, and whether it is reached is up to the test. */
export class TestChild implements FieldProcedure {
  readonly files: SlotFiles;
  readonly pushes: string[] = [];
  readonly events: AgentEvent[] = [];
  isReachable = true;
  reboots = 0;
  /** Waited for before it says whether it is reached. */
  answering: Promise<unknown> = Promise.resolve();
  /** Waited for in the middle of a reboot. */
  rebooting: Promise<unknown> = Promise.resolve();
  /** Waited for in the middle of a push. */
  during: Promise<unknown> = Promise.resolve();
  hooks: Hooks = {};
  private readonly installer: FileInstaller;

  constructor(
    dir: string,
    readonly name: string,
    readonly id: string = randomUUID(),
  ) {
    this.files = new SlotFiles(join(dir, name), true);
    this.installer = new FileInstaller(join(dir, name), this.files, async () => undefined);
  }

  async reachable(): Promise<boolean> {
    await this.answering;
    return this.isReachable;
  }

  current(slots: readonly string[]) {
    this.assertReachable();
    return this.installer.current(slots);
  }

  holds(slot: string, sha256: string): Promise<boolean> {
    return this.files.holds(slot, sha256);
  }

  async install(slot: string, path: string, desired: Desired, watch: InstallWatch): Promise<void> {
    this.assertReachable();
    watch.pushed(Math.floor(desired.firmware.size / 2));
    await this.during;
    this.assertReachable();
    this.pushes.push(desired.installationId);
    await this.files.install(slot, path, desired);
  }

  confirm(slot: string): Promise<void> {
    return this.files.confirm(slot);
  }

  async reboot(signal: AbortSignal): Promise<'booted'> {
    this.assertReachable();
    this.reboots += 1;
    await Promise.race([this.rebooting, once(signal, 'abort')]);
    signal.throwIfAborted();
    return 'booted';
  }

  bootId(): null {
    return null;
  }

  private assertReachable(): void {
    if (!this.isReachable) throw new InstallError('CHILD_UNREACHABLE', 'the radio is silent', true);
  }
}

export interface TestGateway {
  readonly dir: string;
  readonly children: readonly TestChild[];
  readonly events: AgentEvent[];
  agent(): Agent;
  boot(): Promise<void>;
  /** A power cut, and the next start. */
  crash(): Promise<void>;
  end(): Promise<void>;
}

export const GATEWAY = 'gw-1';

/**
 * A gateway whose children are known by an alias, `node-1` and so on, or by their ids.
 * @param real its login, and the ids that the service gave to the children
 */
export async function testGateway(
  url: string,
  count: number,
  knownBy: 'alias' | 'id' = 'id',
  real?: { username: string; password: string; children: readonly string[] },
): Promise<TestGateway> {
  const dir = await mkdtemp(join(tmpdir(), 'slipway-gateway-'));
  const events: AgentEvent[] = [];
  const children = Array.from(
    { length: count },
    (_, index) => new TestChild(join(dir, 'field'), `node-${index + 1}`, real?.children[index]),
  );
  for (const child of children) await child.files.deliver('firmware', 'factory', '1.0.0');
  let agent: Agent | undefined;
  let reboots: Promise<void> = Promise.resolve();
  let hasEnded = false;
  const running = () => {
    if (!agent) throw new Error('the gateway has not been booted');
    return agent;
  };
  const boot = async () => {
    if (hasEnded) return;
    const restart = async () => {
      reboots = running().shutOff().then(boot);
    };
    const files = new SlotFiles(join(dir, 'slots'), true);
    agent = new Agent({
      url,
      username: real?.username ?? `${TENANT}/${GATEWAY}`,
      password: real?.password ?? 'secret',
      stateDir: dir,
      slots: ['firmware'],
      timings: QUICK,
      installer: new FileInstaller(join(dir, 'slots'), files, restart),
      children: children.map((child) => ({
        name: knownBy === 'id' ? child.id : child.name,
        slots: ['firmware'],
        installer: child,
        hooks: child.hooks,
        onEvent: (event: AgentEvent) => void child.events.push(event),
      })),
      onEvent: (event) => void events.push(event),
    });
    await agent.start();
  };
  return {
    dir,
    children,
    events,
    boot,
    crash: () => (reboots = running().shutOff().then(boot)),
    agent: running,
    async end() {
      hasEnded = true;
      await reboots;
      await agent?.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
