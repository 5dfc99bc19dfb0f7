import type { Policy } from './policy.js';
import type { State } from './states.js';

/** What an installation is: plain, readonly, JSON-safe. Times are epoch milliseconds; null = not (yet). */
export interface Installation {
  readonly tenantId: string;
  readonly id: string;
  readonly deviceId: string;
  readonly firmwareId: string;
  /** What asked for it; null = a person, by itself. */
  readonly rolloutId: string | null;
  readonly slot: string;
  readonly state: State;
  /** Has its turn on the device: at most one per device. */
  readonly executing: boolean;
  /**
   * Under the cap of its rollout. `has`: it takes one, or needs none. `none`: it has none while another one executes
   * on the device. `wanted`: nothing executes there any more, and its rollout has yet to give it one.
   */
  readonly place: 'has' | 'none' | 'wanted';
  readonly attempt: number;
  /** The highest `seq` that a status of this attempt bore. */
  readonly lastSeq: number;
  /** Of its document; null until it was offered. */
  readonly revision: number | null;
  readonly gate: 'go' | 'hold';
  readonly priority: number;
  readonly policy: Policy;
  /** SHA-256 of the content to install. */
  readonly sha256: string;
  /** Of the firmware, as people name it; null where it has none. */
  readonly version: string | null;
  /** What the slot held when the document was published; null = unknown or nothing. */
  readonly priorSha256: string | null;
  readonly notBefore: number | null;
  readonly deadline: number | null;
  /** When the next attempt begins, while a back-off runs. */
  readonly retryAt: number | null;
  /** When the process looks at this row at the latest; null = nothing is timed. */
  readonly dueAt: number | null;
  readonly requestedAt: number;
  readonly stateSince: number;
  readonly startedAt: number | null;
  readonly completedAt: number | null;
  readonly rejectedAt: number | null;
  readonly rejectReason: string | null;
  readonly endedAt: number | null;
  readonly progress: Progress | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly cancel: Cancellation | null;
  readonly deferral: { readonly until: number; readonly since: number } | null;
  readonly helloAskedAt: number | null;
  /** When a hello showed other content while the restart with the new one is awaited. */
  readonly backAt: number | null;
  /** When the present attempt was offered to the device. */
  readonly offeredAt: number | null;
  /** The device reported `installed` with a version that is not this firmware's: it must show the content. */
  readonly doubt: { readonly version: string; readonly since: number } | null;
  readonly alreadyInstalled: boolean;
}

/** How far a download or push is, in bytes. Times are epoch milliseconds of the receipt. */
export interface Progress {
  readonly phase: string;
  readonly bytes: number;
  readonly total: number;
  /** Of the newest report; `movedAt` of the newest that brought more bytes. */
  readonly at: number;
  readonly movedAt: number;
}

/** A cancellation under way: the device was asked, and until `deadline` it may answer. */
export interface Cancellation {
  readonly requestedAt: number;
  readonly reason: string | null;
  readonly as: 'canceled' | 'superseded';
  readonly deadline: number;
}

/** What a slot holds, as far as its device said. */
export interface Slot {
  readonly slot: string;
  readonly version: string | null;
  /** Of the firmware that has this digest, where the device named no version; absent = there is none. */
  readonly firmwareVersion?: string | null;
  readonly sha256: string | null;
  readonly firmwareId: string | null;
  readonly installationId: string | null;
  readonly confirmed: boolean;
  /** The highest that was used or reported; only ever rises. */
  readonly revision: number;
  /** Who said last what it holds, as `by` of the history has it, and when; null = it was never told. */
  readonly told: { readonly by: string; readonly at: number } | null;
}

/** A boot of the device as its hello named it: `id` is the `bootId` of docs/contracts/device-mqtt.md, "Payloads". */
export interface Boot {
  readonly id: string;
  /** Epoch milliseconds of the receipt. */
  readonly at: number;
}

/** What a device's agent can do (docs/contracts/device-mqtt.md, "Payloads"); what is absent has its default. */
export interface Caps {
  readonly resume?: boolean | undefined;
  readonly cancelDuringInstall?: boolean | undefined;
  /** Hashes that it checks. */
  readonly hash?: readonly string[] | undefined;
  /** Bytes. */
  readonly maxSize?: number | undefined;
}

/** What is known of a device besides what is installed on it. */
export interface Device {
  readonly tenantId: string;
  readonly id: string;
  readonly online: boolean;
  /** Of a child, as its gateway said last; null = it has said nothing. */
  readonly reachable: boolean | null;
  /** Of the newest presence: a last will counts only for the newest session. */
  readonly session: string | null;
  readonly lastSeenAt: number | null;
  /** Since when it counts as offline because nothing was heard from it; null = for no such reason. */
  readonly silentSince: number | null;
  readonly bootId: string | null;
  /** Boots that the device told of in its own hellos, the newest last; of each when it was first heard. */
  readonly boots: readonly Boot[];
  readonly agent: { readonly name: string; readonly version: string } | null;
  readonly caps: Caps | null;
  /** What its hello calls its type; null = it has said nothing of that. */
  readonly saidType: string | null;
  /** `cmd hello` is due while this is later than `helloAt`. */
  readonly helloWantedAt: number | null;
  readonly helloAt: number | null;
}
