import { plural } from '../plural.js';

/**
 * Where a slot of a device stands: what it holds, what is on its way into it, and which rollouts have not come to it
 * yet.
 */
export interface SlotFacts {
  readonly slot: string;
  readonly current: {
    readonly version: string | null;
    readonly sha256: string | null;
    readonly confirmed: boolean;
    readonly reportedAt: string | null;
    /** Who said it, in words (reporter.ts); absent = the device itself. */
    readonly reporter?: string | undefined;
    /** What brought it here; null = Slipway did not. */
    readonly origin: Origin | null;
  } | null;
  readonly desired: { readonly content: string; readonly origin: Origin; readonly waitingOn: string | null } | null;
  /** Open installations behind the desired one. */
  readonly queued: number;
  readonly pending: readonly PendingTarget[];
}

/** Who asked for an installation, and when. */
export interface Origin {
  readonly requestedBy: string;
  readonly requestedAt: number;
  readonly rollout: string | null;
  readonly group: string | null;
}

/** The device is a target of a rollout that has nothing open on it now. */
export interface PendingTarget {
  readonly rollout: string;
  readonly content: string;
  readonly group: string | null;
  readonly groupOpened: boolean;
  readonly online: boolean;
  /** When its back-off ends; null = none runs. */
  readonly retryAt: number | null;
  readonly because: string | null;
  readonly waitingOn: string | null;
}

/** One slot of a device in sentences for operators (docs/contracts/rollouts.md, "History"). */
export interface SlotNow {
  /** Why it has the version that it has. */
  readonly why: string;
  /** Why something changes now; null = nothing does. */
  readonly whyNow: string | null;
  /** What it waits for; empty = nothing is to change. */
  readonly waitingOn: readonly string[];
}

/** docs/contracts/rollouts.md, "History": why a device has this version, why now, and what it waits for. */
export function slotNow(facts: SlotFacts): SlotNow {
  const { desired, queued, pending } = facts;
  return {
    why: whyThis(facts),
    whyNow:
      desired &&
      `${sentence(asker(desired.origin))} requested ${desired.content} at ${iso(desired.origin.requestedAt)}.`,
    waitingOn: [
      ...(desired?.waitingOn == null ? [] : [desired.waitingOn]),
      ...(queued > 0
        ? [`${plural(queued, 'more installation is', 'more installations are')} queued for this slot.`]
        : []),
      ...pending.map(whyPending),
    ],
  };
}

function whyThis({ slot, current }: SlotFacts): string {
  if (current === null) return `The device has not reported what slot "${slot}" holds.`;
  const held = current.version ?? (current.sha256 === null ? null : `content ${current.sha256.slice(0, 12)}`);
  const reporter = 'reporter' in current ? current.reporter : 'the device';
  const said = reporter === undefined ? '' : `${sentence(reporter)} reported that `;
  const name = `${reporter === undefined ? 'Slot' : 'slot'} "${slot}"`;
  if (held === null)
    return reporter === undefined
      ? `It is not known what slot "${slot}" holds${since(current.reportedAt)}.`
      : `${sentence(reporter)} reported slot "${slot}" without a version and a digest: what it holds is not known${since(current.reportedAt)}.`;
  const doubt = current.confirmed ? '' : '; not confirmed yet';
  if (current.origin === null)
    return `${said}${name} holds ${held}${since(current.reportedAt)}; Slipway did not install it${doubt}.`;
  const person = reporter?.startsWith('operator ') === true ? `; ${reporter} reported that it is installed` : '';
  return `Slot "${slot}" holds ${held}, because ${asker(current.origin)} requested it at ${iso(current.origin.requestedAt)}${person}${doubt}.`;
}

function whyPending({
  rollout,
  content,
  group,
  groupOpened,
  online,
  retryAt,
  because,
  waitingOn,
}: PendingTarget): string {
  const name = `Rollout "${rollout}" plans to install ${content}`;
  if (group === null) return `${name}; its groups are being formed.`;
  if (retryAt !== null)
    return `${name}; the next attempt may start at ${iso(retryAt)}${because === null ? '' : `, after ${because}`}.`;
  const own = groupOpened
    ? online
      ? `the device waits in group "${group}", which has started`
      : `the device is in group "${group}", which has started, but the device is offline`
    : `the device is in group "${group}", which has not started`;
  return `${name}; ${own}.${waitingOn === null ? '' : ` The rollout: ${waitingOn}`}`;
}

function asker({ rollout, group, requestedBy }: Origin): string {
  return rollout === null
    ? `operator ${requestedBy}`
    : `rollout "${rollout}"${group === null ? '' : ` (group "${group}")`}`;
}

function since(reportedAt: string | null): string {
  return reportedAt === null ? '' : ` (last report ${reportedAt})`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
