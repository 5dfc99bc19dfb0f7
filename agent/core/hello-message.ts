import { randomUUID } from 'node:crypto';
import { MAX_PAYLOAD_BYTES, type Printable } from '../../protocol/mqtt/payloads.js';
import type { Clock } from './clock.js';
import type { Held, Installer } from './installer.js';

const AGENT = { name: 'slipway-agent', version: '0.1.0' };
/** As many as the service reads in one hello. */
const MOST_CHILDREN = 256;

/** Of whom a hello speaks. */
export interface Self {
  readonly clock: Clock;
  /** The highest revision seen, by slot. */
  readonly reportedRevisions: Readonly<Record<string, number>>;
  /** By slot: what is being put there now. */
  readonly underway: Readonly<Record<string, { readonly sha256: string; readonly installationId: string }>>;
  readonly installer: Installer;
  readonly slots: readonly string[];
  readonly deviceType?: string | undefined;
  readonly aliases?: readonly string[] | undefined;
  /** Files of the agent that could not be read and were set aside, as sentences. */
  readonly damaged?: readonly string[];
}

/** A child in its gateway's hello. `device` is its id, or one of its aliases while the id is not known. */
export interface ChildEntry {
  readonly device: string;
  readonly aliases?: string[];
  readonly deviceType?: string;
  readonly slots: Record<string, Held>;
  readonly reachable: boolean;
}

/** One hello, which may be a part of a split one; `msgId` comes back as `ack.for`. */
export interface HelloMessage {
  readonly msgId: string;
  readonly body: Printable;
}

/**
 * The hello (docs/contracts/device-mqtt.md, "Payloads"): what each slot holds, read anew, what this agent can do, and
 * its
 * children: over several hellos where one has no room for them.
 * @param isMore false = the first one of a greeting, which tells of the device itself; true = only children that
 *   answered later
 * @returns and the children whose entry would not even fit into a hello of its own
 */
export async function helloMessages(
  self: Self,
  children: readonly ChildEntry[] = [],
  isMore = false,
): Promise<{ hellos: HelloMessage[]; unfit: string[] }> {
  if (isMore && children.length === 0) return { hellos: [], unfit: [] };
  const slots = isMore ? {} : await heldSlots(self);
  const hello = (those: readonly ChildEntry[], first: boolean): HelloMessage => {
    const msgId = randomUUID();
    const bootId = self.installer.bootId();
    return {
      msgId,
      body: {
        v: 1,
        msgId,
        at: self.clock.now(),
        ...(bootId !== null && { bootId }),
        ...(self.deviceType !== undefined && { deviceType: self.deviceType }),
        ...(first && self.aliases !== undefined && { aliases: [...self.aliases] }),
        ...(first && self.damaged !== undefined && self.damaged.length > 0 && { damaged: [...self.damaged] }),
        agent: AGENT,
        caps: { resume: true, cancelDuringInstall: false, hash: ['sha256'] },
        slots: first ? slots : {},
        ...(those.length > 0 && { children: [...those] }),
      },
    };
  };
  const room = (first: boolean) => MAX_PAYLOAD_BYTES - sizeOf(hello([], first).body) - '"children":[],'.length;
  const { parts, unfit } = split(children, room(!isMore), room(false));
  return { hellos: parts.map((those, index) => hello(those, !isMore && index === 0)), unfit };
}

/**
 * What each slot holds now, with the highest revision that was seen for it. What could not be found out is left out:
 * absence means nothing.
 */
export async function heldSlots({
  installer,
  slots,
  reportedRevisions,
  underway,
}: Self): Promise<Record<string, Held>> {
  const current = await installer.current(slots);
  return Object.fromEntries(
    slots.flatMap((slot) => {
      const content = current[slot];
      return content === undefined
        ? []
        : [
            [
              slot,
              {
                ...content,
                revision: Math.max(content.revision, reportedRevisions[slot] ?? 0),
                confirmed: content.confirmed && !isUnproven(content, underway[slot]),
              },
            ] as const,
          ];
    }),
  );
}

/**
 * The slot shows what a command has just put there, and the agent has not seen the end of that: it did not boot yet,
 * and must not be taken for installed.
 */
function isUnproven(held: Held, underway: Self['underway'][string] | undefined): boolean {
  return underway?.sha256 === held.sha256 && underway?.installationId !== held.installationId;
}

function split(
  children: readonly ChildEntry[],
  firstRoom: number,
  laterRoom: number,
): { parts: ChildEntry[][]; unfit: string[] } {
  let part: ChildEntry[] = [];
  const parts = [part];
  const unfit: string[] = [];
  let room = firstRoom;
  for (const child of children) {
    const size = sizeOf(child) + 1;
    if (size > laterRoom) {
      unfit.push(child.device);
      continue;
    }
    if (size > room || part.length >= MOST_CHILDREN) {
      parts.push((part = []));
      room = laterRoom;
    }
    part.push(child);
    room -= size;
  }
  return { parts, unfit };
}

function sizeOf(json: object): number {
  return Buffer.byteLength(JSON.stringify(json), 'utf8');
}
