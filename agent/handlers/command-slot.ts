import { z } from 'zod';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { InstallError, type Held, type InstallWatch } from '../core/installer.js';
import { messageOf } from '../core/write-file.js';
import { failureOf } from './exit-codes.js';
import { ask, perform } from './run-command.js';
import { heldAs, type Remembered, type Said, type SlotHandler } from './slot-handler.js';

/**
 * How a slot is described in agent.json: `{"command": [...], "current": [...], "confirm": [...], "timeoutSeconds":
 * 600}`.
 */
export interface CommandSlotOptions {
  readonly slot: string;
  readonly command: readonly string[];
  readonly current: readonly string[] | undefined;
  readonly confirm: readonly string[] | undefined;
  readonly timeoutMs: number;
  /** Where its output and its traces are kept. */
  readonly place: string;
  /** Where questions are written down while they run. */
  readonly traces: string;
  readonly remembered: Remembered;
}

/** A question is answered in this time, or not at all: the hello waits for it. */
export const ASK_MS = 30_000;
/** Lines of a handler's output that go to the event log, and with it into `up/log`. */
const TOLD_LINES = 20;

/** A slot that a command writes, run with environment variables (docs/device-guide.md). */
export class CommandSlot implements SlotHandler {
  constructor(private readonly deps: CommandSlotOptions) {}

  async current(): Promise<Held> {
    const { current, slot, remembered } = this.deps;
    if (!current) return remembered.read();
    const env = { SLIPWAY_ACTION: 'current', SLIPWAY_SLOT: slot };
    const answer = await ask({ command: current, env, timeoutMs: ASK_MS }, this.deps.traces);
    const failure = failureOf(current.join(' '), answer);
    if (failure) throw failure;
    return heldAs(readContent(answer.out, current), await remembered.read());
  }

  async holds(sha256: string): Promise<boolean> {
    return (await this.current()).sha256 === sha256;
  }

  async install(path: string, desired: Desired, watch: InstallWatch): Promise<void> {
    const { command, current, timeoutMs, place, remembered } = this.deps;
    await performInstall({ command, timeoutMs, place, env: environmentOf(desired, path) }, watch);
    // Without a question to ask, the memory is all that is known of the slot.
    await (current ? remembered.tryToWrite(desired, watch.output) : remembered.write(desired));
  }

  async confirm(signal: AbortSignal): Promise<void> {
    const { confirm, slot, timeoutMs, place, remembered } = this.deps;
    if (confirm) {
      const end = await perform(
        { command: confirm, env: { SLIPWAY_ACTION: 'confirm', SLIPWAY_SLOT: slot }, timeoutMs },
        `${place}.confirm`,
        signal,
      );
      const failure = failureOf(confirm.join(' '), end);
      if (failure) throw failure;
    }
    await remembered.confirm();
  }
}

/**
 * Runs the command of an installation; a line `progress <bytes>` on its standard output is reported as the phase
 * `push`.
 */
export async function performInstall(
  how: { command: readonly string[]; timeoutMs: number; place: string; env: Record<string, string> },
  watch: InstallWatch,
): Promise<void> {
  const { command, env, timeoutMs, place } = how;
  const end = await perform({ command, env, timeoutMs }, place, watch.signal, (line) => {
    const bytes = /^progress (\d+)$/.exec(line)?.[1];
    if (bytes !== undefined) watch.pushed(Number(bytes));
  });
  for (const line of end.lines.filter((one) => !one.startsWith('progress ')).slice(-TOLD_LINES)) watch.output(line);
  const failure = failureOf(command.join(' '), end);
  if (failure) throw failure;
}

/** What a handler is told (docs/device-guide.md, "Handlers"). */
export function environmentOf(
  { installationId, attempt, slot, device, firmware }: Desired,
  path: string,
): Record<string, string> {
  return {
    SLIPWAY_ACTION: 'install',
    SLIPWAY_SLOT: slot,
    SLIPWAY_FILE: path,
    SLIPWAY_DEVICE: device.id,
    SLIPWAY_INSTALLATION_ID: installationId,
    SLIPWAY_ATTEMPT: String(attempt),
    SLIPWAY_NAME: firmware.name,
    SLIPWAY_VERSION: firmware.version,
    SLIPWAY_SHA256: firmware.sha256,
    SLIPWAY_SIZE: String(firmware.size),
    SLIPWAY_CONTENT_TYPE: firmware.contentType,
  };
}

const content = z.object({
  version: z.string().min(1).max(255).nullish(),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i)
    .nullish(),
  confirmed: z.boolean().optional(),
});

/**
 * What a command printed about one slot, as JSON.
 * @throws InstallError where it is not of that form
 */
export function readContent(text: string, command: readonly string[]): Said {
  return readAnswer(content, text, command, '{"version": "1.4.0", "sha256": "64 hexadecimal digits"}');
}

/**
 * What a command printed about all slots, by their names.
 * @throws InstallError where it is not of that form
 */
export function readContents(text: string, command: readonly string[]): Readonly<Record<string, Said>> {
  return readAnswer(
    z.record(z.string(), content),
    text,
    command,
    '{"firmware": {"version": "1.4.0", "sha256": "64 hexadecimal digits"}}',
  );
}

function readAnswer<T>(schema: z.ZodType<T>, text: string, command: readonly string[], example: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new InstallError(
      'INSTALL_FAILED',
      `${command.join(' ')} must print what it holds, such as ${example}: ${messageOf(error).slice(0, 200)}`,
      false,
      { cause: error },
    );
  }
}
