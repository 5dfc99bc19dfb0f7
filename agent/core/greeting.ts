import { NOTHING_HELD, type Installer } from './installer.js';
import type { Printable } from '../../protocol/mqtt/payloads.js';

const AGENT = { name: 'slipway-agent', version: '0.1.0' };

interface Self {
  readonly msgId: string;
  /** The highest revision seen, by slot. */
  readonly told: Readonly<Record<string, number>>;
  readonly installer: Installer;
  readonly slots: readonly string[];
  readonly deviceType: string | undefined;
  readonly aliases: readonly string[] | undefined;
}

/** The hello: what each slot holds, read anew, and what this agent can do (specs/device-mqtt.md, "Payloads"). */
export async function greeting({ msgId, told, installer, slots, deviceType, aliases }: Self): Promise<Printable> {
  const current = await installer.current(slots);
  const held = slots.map((slot) => {
    const content = current[slot] ?? NOTHING_HELD;
    return [slot, { ...content, revision: Math.max(content.revision, told[slot] ?? 0) }] as const;
  });
  return {
    v: 1,
    msgId,
    at: Date.now(),
    bootId: installer.bootId(),
    ...(deviceType !== undefined && { deviceType }),
    ...(aliases !== undefined && { aliases: [...aliases] }),
    agent: AGENT,
    caps: { resume: true, cancelDuringInstall: false, hash: ['sha256'] },
    slots: Object.fromEntries(held),
  };
}
