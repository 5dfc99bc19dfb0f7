import { z } from 'zod';
import { at, bytes, counter, cutTo, instant, name, revision, sha256, slotName, text, uuid, version } from './fields.js';

/** What devices send (docs/contracts/device-mqtt.md, "Payloads"). Members that are not known are dropped. */

/**
 * What a slot holds. `version` and `sha256` are null where the device does not know them, as with content from the
 * factory.
 */
const heldSlot = z.object({
  version: name.nullish().transform((value) => value ?? null),
  sha256: sha256.nullish().transform((value) => value ?? null),
  installationId: uuid.nullish().transform((value) => value ?? null),
  /** The highest revision that the device has seen for this slot; 0 = none. */
  revision: revision(0)
    .nullish()
    .transform((value) => value ?? 0),
  /** The content has proven itself to the device: it booted, and will not be rolled back. */
  confirmed: z.boolean(),
});
const slots = z.record(slotName, heldSlot);

/**
 * After each connect and each reboot: what each slot holds (docs/contracts/device-mqtt.md, "Payloads"). Absence means
 * nothing.
 */
export const hello = z.object({
  v: version,
  /** Chosen by the device; comes back as `ack.for`. */
  msgId: name,
  at,
  bootId: name.optional(),
  deviceType: name.optional(),
  aliases: z.array(name).max(64).optional(),
  /** Files of the agent that it could not read and has set aside, as sentences. */
  damaged: z.array(text(1_024)).max(16).optional(),
  agent: z.object({ name, version: name }),
  /** Absent members = false, false, ["sha256"], unlimited. */
  caps: z
    .object({
      resume: z.boolean().optional(),
      cancelDuringInstall: z.boolean().optional(),
      hash: z.array(name).max(16).optional(),
      maxSize: bytes.optional(),
    })
    .optional(),
  slots,
  /**
   * May be split over several hellos: absence means nothing. `device` is a child's id, or an alias while its id is not
   * known.
   */
  children: z
    .array(
      z.object({
        device: name,
        aliases: z.array(name).max(64).optional(),
        deviceType: name.optional(),
        slots,
        reachable: z.boolean(),
      }),
    )
    .max(256)
    .optional(),
});

/** Optional; retained, and the last will of the connection. */
export const presence = z.object({
  v: version,
  online: z.boolean(),
  /** The same in the message and in the last will of one connection: `false` counts only for the newest. */
  session: name,
  at,
});

/** What a device may report; `timed_out` and `superseded` are the service's own. */
export const REPORTED_STATES = [
  'accepted',
  'deferred',
  'downloading',
  'downloaded',
  'installing',
  'rebooting',
  'installed',
  'failed',
  'rejected',
  'canceled',
] as const;
/** A state that a device may report. */
export type ReportedState = (typeof REPORTED_STATES)[number];

/** The codes that devices report. Another one is passed on as it is. */
export const ERROR_CODES = [
  'HASH_MISMATCH',
  'SIGNATURE_INVALID',
  'DOWNLOAD_FAILED',
  'NO_SPACE',
  'INCOMPATIBLE',
  'BUSY',
  'INSTALL_FAILED',
  'BOOT_FAILED_ROLLED_BACK',
  'VERSION_MISMATCH',
  'CHILD_UNREACHABLE',
  'UNSUPPORTED',
  'CANCEL_TOO_LATE',
  'ALREADY_INSTALLED',
] as const;

/**
 * A change of state (docs/contracts/device-mqtt.md, "Payloads"). The key of a report is installation, attempt and
 * `seq`.
 */
export const status = z.object({
  v: version,
  installationId: uuid,
  attempt: counter(1),
  /** Starts at 1 in each attempt. */
  seq: counter(1),
  /** Informational: only `attempt` makes a report stale. */
  revision: revision(0).optional().catch(undefined),
  slot: slotName,
  at,
  version: name.optional(),
  /** A state of a later minor version is "unknown", and counts as not ended. */
  state: z
    .string()
    .transform((state): ReportedState | 'unknown' => REPORTED_STATES.find((known) => known === state) ?? 'unknown'),
  error: z.object({ code: name, message: cutTo(4_096).default(''), retriable: z.boolean().optional() }).optional(),
  /** With `deferred`: until when, and for how many seconds from then on. */
  until: instant.optional(),
  forSeconds: counter(0).optional().catch(undefined),
});

/** May be lost: QoS 0. `bytes` and `total` are bytes. */
export const progress = z.object({
  v: version,
  installationId: uuid,
  phase: z.enum(['download', 'push', 'install']),
  bytes,
  total: bytes,
});

/**
 * Diagnostics after a failure, or when `cmd log` asked for them: the newest lines, oldest first, as many as fit into
 * one message.
 */
export const log = z.object({
  v: version,
  at,
  installationId: uuid.optional(),
  slot: slotName.optional(),
  lines: z.array(cutTo(4_096)).min(1).max(256),
});

/** A parsed hello: ids in lower case, text storable, absent members absent. */
export type Hello = z.output<typeof hello>;
/** What a hello says of one slot; null = unknown. */
export type HeldSlot = z.output<typeof heldSlot>;
/** A parsed presence. `online: false` counts only with the newest `session`. */
export type Presence = z.output<typeof presence>;
/** A parsed report; a state that is not known is `unknown`, and counts as not ended. */
export type Status = z.output<typeof status>;
/** A parsed progress, in bytes. `total` is what the device says, not what the firmware has. */
export type Progress = z.output<typeof progress>;
/** Parsed lines of diagnostics, in the order in which the device sent them. */
export type Log = z.output<typeof log>;
