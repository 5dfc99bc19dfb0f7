import { join } from 'node:path';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import type { FieldProcedure, Held, InstallWatch } from '../core/installer.js';
import type { SmallFiles } from '../core/small-files.js';
import { ASK_MS, environmentOf, performInstall, readContents } from './command-slot.js';
import { failureOf } from './exit-codes.js';
import { ask, awaitEarlier, perform } from './run-command.js';
import { heldAs, Remembered } from './slot-handler.js';

/** A child whose slots a command of the operator reads and writes. */
export interface CommandChildOptions {
  /** As it is configured: an id or an alias. */
  readonly name: string;
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** The folder that is this child's. */
  readonly dir: string;
  /** Where questions are written down while they run. */
  readonly traces: string;
  readonly files: SmallFiles;
}

/**
 * The field procedure as one command for a child; SLIPWAY_ACTION says what is asked: `reach`, `current`, `install`,
 * `reboot`.
 */
export class CommandChild implements FieldProcedure {
  constructor(private readonly deps: CommandChildOptions) {}

  async reachable(): Promise<boolean> {
    return (await this.ask('reach')).code === 0;
  }

  async current(slots: readonly string[]): Promise<Record<string, Held>> {
    const { command } = this.deps;
    const answer = await this.ask('current');
    const failure = failureOf(command.join(' '), answer);
    if (failure) throw failure;
    const said = readContents(answer.out, command);
    const held = await Promise.all(
      slots.map(async (slot) =>
        said[slot] ? [[slot, heldAs(said[slot], await this.remembered(slot).read())] as const] : [],
      ),
    );
    return Object.fromEntries(held.flat());
  }

  async holds(slot: string, sha256: string): Promise<boolean> {
    return (await this.current([slot]))[slot]?.sha256 === sha256;
  }

  async install(slot: string, path: string, desired: Desired, watch: InstallWatch): Promise<void> {
    const { command, name, timeoutMs, dir } = this.deps;
    await performInstall(
      {
        command,
        timeoutMs,
        place: join(dir, `${slot}.install`),
        env: { ...environmentOf(desired, path), SLIPWAY_CHILD: name },
      },
      watch,
    );
    await this.remembered(slot).tryToWrite(desired, watch.output);
  }

  confirm(slot: string): Promise<void> {
    return this.remembered(slot).confirm();
  }

  /** The command ends when the child is back. */
  async reboot(signal: AbortSignal): Promise<'booted'> {
    const { command, name, timeoutMs } = this.deps;
    const env = { SLIPWAY_ACTION: 'reboot', SLIPWAY_CHILD: name };
    const end = await perform({ command, env, timeoutMs }, this.placeOfReboot(), signal);
    const failure = failureOf(command.join(' '), end);
    if (failure) throw failure;
    return 'booted';
  }

  /** Else the child would be judged, or started once more, in the middle of it. */
  earlierReboot(signal: AbortSignal): Promise<void> {
    return awaitEarlier(this.placeOfReboot(), signal);
  }

  bootId(): null {
    return null;
  }

  private placeOfReboot(): string {
    return join(this.deps.dir, 'reboot');
  }

  private ask(action: 'reach' | 'current') {
    const { command, name, traces } = this.deps;
    return ask({ command, env: { SLIPWAY_ACTION: action, SLIPWAY_CHILD: name }, timeoutMs: ASK_MS }, traces);
  }

  private remembered(slot: string): Remembered {
    return new Remembered(join(this.deps.dir, `${slot}.json`), this.deps.files);
  }
}
