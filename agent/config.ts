import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { parseUsername } from '../protocol/mqtt/access.js';
import { isSlotName } from '../protocol/mqtt/topics.js';

const command = z
  .array(z.string().min(1))
  .min(1, 'must be a command and its arguments, such as ["/usr/local/bin/install.sh"]');
/** Longer than the service waits by default (PT30M) has no use. */
const timeoutSeconds = z.number().positive().max(86_400).default(1_800);
const slotName = z
  .string()
  .refine((name) => isSlotName(name) && !/^\.+$/.test(name), "must be a slot's name: 1 to 255 of A-Z a-z 0-9 _ . -");

/**
 * How content gets into a slot: by a command, into one file of the system, or (`{}`) into a file below the state
 * folder.
 */
const slot = z.union(
  [
    z.strictObject({ command, current: command.optional(), confirm: command.optional(), timeoutSeconds }),
    z.strictObject({
      file: z.string().startsWith('/', 'must be an absolute path'),
      /** Where the file is a symbolic link. */
      symlink: z.enum(['follow', 'refuse']).default('follow'),
      /** Of a file that is not there yet; the one that is there keeps its own. */
      mode: z
        .string()
        .regex(/^0?[0-7]{3}$/, 'must be octal, such as "0600"')
        .default('0644'),
    }),
    z.strictObject({}),
  ],
  'must be {"command": [...], "current"?: [...], "confirm"?: [...], "timeoutSeconds"?: 1800}, {"file": "/path", "symlink"?: "follow" | "refuse", "mode"?: "0644"} or {}',
);

/** A device that this one acts for: see docs/device-guide.md, "Gateway". */
const child = z.strictObject({
  /** Its id, or one of its aliases. */
  device: z.string().min(1).max(255),
  aliases: z.array(z.string().min(1)).max(64).optional(),
  deviceType: z.string().min(1).optional(),
  slots: z.array(slotName).min(1).default(['firmware']),
  command,
  timeoutSeconds,
});

/** `agent.json`: what the reference agent must know. */
const config = z.strictObject({
  url: z.url({
    protocol: /^(mqtts?|wss?|tcp|ssl)$/,
    error: "must be the broker's address, such as mqtt://127.0.0.1:1883",
  }),
  username: z
    .string()
    .refine((name) => parseUsername(name) !== undefined, 'must be tenant/node, each of A-Z a-z 0-9 _ . -'),
  password: z.string().min(1, 'must be the password that the service made for this device'),
  /** Relative to the file. */
  stateDir: z.string().min(1),
  deviceType: z.string().min(1).optional(),
  aliases: z.array(z.string().min(1)).max(64).optional(),
  slots: z
    .record(slotName, slot)
    .refine((slots) => Object.keys(slots).length > 0, 'must name at least one slot, such as {"firmware": {}}'),
  children: z
    .array(child)
    .default([])
    .refine(
      (children) => new Set(children.map(({ device }) => device)).size === children.length,
      'names a child twice',
    ),
  /**
   * How the device is started anew after an installation: `restart` = the agent begins again from its files, for slots
   * that are only files; `exit` = it ends with code 0 and its supervisor starts it again; a command = that, such
   * as ["/sbin/reboot"].
   */
  reboot: z.union([z.enum(['restart', 'exit']), z.array(z.string()).min(1)]).default('restart'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});
/** The parsed configuration file, with every default filled in. */
export type AgentConfig = z.output<typeof config>;

/** @throws with every fault of the file at once, one to a line. */
export async function readConfig(path: string): Promise<AgentConfig> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path} cannot be read as JSON: ${(error as Error).message}`, { cause: error });
  }
  const read = config.safeParse(json);
  if (!read.success)
    throw new Error(
      [
        `${path} is not a configuration of the agent:`,
        ...read.error.issues.map(({ path: at, message }) => `  ${at.join('.') || 'the file'}: ${message}`),
      ].join('\n'),
    );
  return { ...read.data, stateDir: resolve(dirname(path), read.data.stateDir) };
}
