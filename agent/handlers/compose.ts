import { defined } from '../../domain/defined.js';
import { join } from 'node:path';
import type { AgentConfig } from '../config.js';
import type { ChildOptions } from '../core/children.js';
import type { AgentEvent } from '../core/event-log.js';
import { FileInstaller } from '../core/file-installer.js';
import type { SmallFiles } from '../core/small-files.js';
import { SlotFiles } from '../core/slot-files.js';
import { CommandChild } from './command-child.js';
import { CommandSlot } from './command-slot.js';
import { FileSlot } from './file-slot.js';
import { Remembered, type SlotHandler } from './slot-handler.js';

/** Where questions to commands are written down while they run. */
export function tracesIn(stateDir: string): string {
  return join(stateDir, 'handlers', 'asked');
}

/** The handler of each slot, as agent.json describes it. */
export function handlersOf(
  { slots, stateDir }: AgentConfig,
  files: SmallFiles,
  trouble: (slot: string, detail: string) => void,
): Record<string, SlotHandler> {
  return Object.fromEntries(
    Object.entries(slots).map(([slot, how]) => [
      slot,
      handlerOf(slot, how, stateDir, files, (detail) => trouble(slot, detail)),
    ]),
  );
}

function handlerOf(
  slot: string,
  how: AgentConfig['slots'][string],
  stateDir: string,
  small: SmallFiles,
  trouble: (detail: string) => void,
): SlotHandler {
  const remembered = new Remembered(join(stateDir, 'handlers', `${slot}.json`), small);
  if ('command' in how) {
    const { command, current, confirm, timeoutSeconds } = how;
    return new CommandSlot({
      slot,
      command,
      current,
      confirm,
      timeoutMs: timeoutSeconds * 1_000,
      place: join(stateDir, 'handlers', slot),
      traces: tracesIn(stateDir),
      remembered,
    });
  }
  if ('file' in how) {
    const { file, symlink, mode } = how;
    return new FileSlot({ file, symlink, mode: parseInt(mode, 8), remembered, trouble });
  }
  const dir = join(stateDir, 'slots');
  const files = new FileInstaller(dir, new SlotFiles(dir, true, undefined, small), async () => undefined);
  return {
    current: async () => defined((await files.current([slot]))[slot], 'each slot that is asked for is answered'),
    holds: (sha256) => files.holds(slot, sha256),
    install: (path, desired) => files.install(slot, path, desired),
    confirm: () => files.confirm(slot),
  };
}

/** The children of the configuration, each with a folder of its own below the state folder. */
export function childrenOf(
  { children, stateDir }: AgentConfig,
  files: SmallFiles,
  onEvent: (child: string, event: AgentEvent) => void,
): ChildOptions[] {
  return children.map(({ device, aliases, deviceType, slots, command, timeoutSeconds }) => ({
    name: device,
    slots,
    // An alias may be a MAC address or anything else: as a folder it must be harmless.
    installer: new CommandChild({
      name: device,
      command,
      timeoutMs: timeoutSeconds * 1_000,
      dir: join(stateDir, 'handlers', 'children', folderOf(device)),
      traces: tracesIn(stateDir),
      files,
    }),
    ...(aliases && { aliases }),
    ...(deviceType !== undefined && { deviceType }),
    onEvent: (event) => onEvent(device, event),
  }));
}

function folderOf(name: string): string {
  return encodeURIComponent(name).replaceAll('.', '%2E');
}
