import { join } from 'node:path';
import { z } from 'zod';
import type { DownMessage } from '../../protocol/mqtt/payloads.js';
import type { AgentEvent } from './event-log.js';
import type { Device, DeviceOptions } from './device.js';
import type { ChildEntry } from './hello-message.js';
import type { Hooks } from './hooks.js';
import type { FieldProcedure } from './installer.js';
import { jsonOf, type SmallFiles } from './small-files.js';
import type { AgentState } from './state.js';
import { isUuid } from '../../domain/uuid.js';

/** A device that this gateway acts for. */
export interface ChildOptions {
  /** Its id, or one of its aliases: then the service says whose it is. */
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly deviceType?: string;
  readonly slots: readonly string[];
  readonly installer: FieldProcedure;
  readonly hooks?: Hooks;
  readonly onEvent?: (event: AgentEvent) => void;
}

interface Child {
  readonly options: ChildOptions;
  /** Once its id is known. */
  bound: { readonly id: string; readonly device: Device } | undefined;
  /** While it is asked what its slots hold. */
  asked?: Promise<ChildEntry> | undefined;
}

/** What a gateway knows of its children; `dir` holds a folder for each. */
export interface ChildrenOptions {
  readonly dir: string;
  readonly files: SmallFiles;
  readonly children: readonly ChildOptions[];
  /** A device on the topics of this id. */
  readonly device: (id: string, options: DeviceOptions) => Device;
  readonly isConnected: () => boolean;
  readonly note: (phase: string, detail: string) => void;
}

/** Alias → id. */
const names = z.record(z.string(), z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/));

/**
 * The children of a gateway, and which id each of them has. Topics bear ids only, while a gateway may know a child by
 * an alias: its id comes from a document (which lists the aliases) or from the answer to the hello, and is remembered
 * on disk. Everything that arrives goes through one queue, so that a child whose id is just being learnt gets its
 * messages in their order.
 */
export class Children {
  private readonly children: Child[];
  private turn: Promise<void> = Promise.resolve();
  private isRunning = false;

  constructor(private readonly deps: ChildrenOptions) {
    this.children = deps.children.map((options) => ({ options, bound: undefined }));
  }

  /** What is damaged is begun anew: the service names the children again. */
  async load(): Promise<void> {
    if (this.children.length === 0) return;
    const remembered = await this.deps.files.read(this.namesPath(), jsonOf<Record<string, string>>(names), {});
    for (const child of this.children) {
      const { name } = child.options;
      const id = isUuid(name) ? name.toLowerCase() : remembered[name];
      if (id !== undefined) await this.bind(child, id);
    }
  }

  run(): void {
    this.isRunning = true;
    for (const device of this.devices()) device.run();
  }

  connected(): void {
    for (const device of this.devices()) device.connected();
  }

  disconnected(): void {
    for (const device of this.devices()) device.disconnected();
  }

  async end(): Promise<void> {
    await this.turn;
    await Promise.all(this.devices().map((device) => device.end()));
  }

  devices(): Device[] {
    return this.children.flatMap(({ bound }) => (bound ? [bound.device] : []));
  }

  /** @param name as it was configured. undefined = there is none, or its id is not known. */
  state(name: string): AgentState | undefined {
    return this.children.find(({ options }) => options.name === name)?.bound?.device.state();
  }

  /**
   * For the gateway's hello. All are asked at once: a slow one costs its own time only. Who has not answered yet is not
   * asked once more.
   */
  entries(): Promise<ChildEntry>[] {
    return this.children.map((child) => {
      child.asked ??= this.entry(child).finally(() => (child.asked = undefined));
      return child.asked;
    });
  }

  private async entry({ options, bound }: Child): Promise<ChildEntry> {
    const { name, aliases, deviceType } = options;
    const device = bound?.device ?? this.deps.device(name, this.deviceOptions(name, options));
    return {
      device: bound?.id ?? name,
      ...(aliases && { aliases: [...aliases] }),
      ...(deviceType !== undefined && { deviceType }),
      ...(await device.entry()),
    };
  }

  /** The service has said whose these aliases are. */
  named(ids: Readonly<Record<string, string>>): void {
    this.queue(async () => {
      for (const child of this.children) {
        const said = [child.options.name, ...(child.options.aliases ?? [])]
          .map((alias) => ids[alias])
          .find((id) => id !== undefined);
        if (said !== undefined) await this.bind(child, said);
      }
    });
  }

  received(message: DownMessage): void {
    this.queue(async () => {
      const child = this.find(message);
      // Another connection of the same node may act for it: nothing is answered in its place.
      if (!child)
        return this.deps.note('refused', `a ${message.type} for ${message.device}, which is none of the children`);
      const device = await this.bind(child, message.device);
      device.received(message);
    });
  }

  private find(message: DownMessage): Child | undefined {
    const byId = this.children.find(({ bound, options }) => (bound?.id ?? options.name) === message.device);
    if (byId || message.type !== 'desired' || message.body === null) return byId;
    const { aliases } = message.body.device;
    return this.children.find(({ options }) =>
      [options.name, ...(options.aliases ?? [])].some((name) => aliases.includes(name)),
    );
  }

  /** An alias may be given to another device: then the one that had it is let go, and its state stays where it is. */
  private async bind(child: Child, id: string): Promise<Device> {
    if (child.bound?.id === id) return child.bound.device;
    await child.bound?.device.end();
    const device = this.deps.device(id, this.deviceOptions(id, child.options));
    await device.load();
    child.bound = { id, device };
    if (!isUuid(child.options.name)) await this.remember();
    if (this.isRunning) device.run();
    if (this.isRunning && this.deps.isConnected()) device.connected();
    return device;
  }

  private deviceOptions(
    id: string,
    { slots, installer, deviceType, aliases, hooks, onEvent }: ChildOptions,
  ): DeviceOptions {
    return { stateDir: join(this.deps.dir, id), slots, installer, deviceType, aliases, hooks, onEvent };
  }

  private remember(): Promise<void> {
    const known = this.children.flatMap(({ options, bound }) => (bound ? [[options.name, bound.id] as const] : []));
    return this.deps.files.replace(this.namesPath(), JSON.stringify(Object.fromEntries(known)));
  }

  private namesPath(): string {
    return join(this.deps.dir, 'ids.json');
  }

  private queue(doing: () => Promise<void>): void {
    this.turn = this.turn.then(doing).catch((error: unknown) => this.deps.note('trouble', String(error)));
  }
}
