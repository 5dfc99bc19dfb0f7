import { z } from 'zod';
import { bytes, counter, level, name, printedTime, revision, sha256, slotName, text, uuid, version } from './fields.js';

/**
 * What the service sends (docs/contracts/device-mqtt.md, "Payloads"). A device ignores members that it does not know.
 */

/** What is to be installed in a slot. Retained; an empty payload in its place = nothing. */
export const desired = z.object({
  v: version,
  /** Rises per device and slot: a lower or equal one is ignored. */
  revision: revision(1),
  installationId: uuid,
  attempt: counter(1),
  issuedAt: printedTime,
  notBefore: printedTime.optional(),
  deadline: printedTime.optional(),
  slot: slotName,
  device: z.object({ id: level, aliases: z.array(name) }),
  firmware: z.object({
    id: uuid,
    name,
    version: name,
    size: bytes,
    sha256,
    contentType: name,
    /** Over the firmware's metadata and digest. */
    signature: z.object({ alg: name, keyId: name, value: text(4_096) }).optional(),
  }),
  /** HTTP(S) with Range; valid until the installation ends. */
  download: z.object({ url: z.string().min(1) }),
  /** hold = download, stop at `downloaded`, and wait for a revision that says go. */
  gate: z.enum(['go', 'hold']),
  policy: z.object({
    maxDeferSeconds: counter(0),
    confirmWithinSeconds: counter(0),
    /** How often the device may try the download again by itself before it reports a failure. */
    retryDownload: counter(0),
  }),
});

/** An impulse. Not retained: who is away does not need it. */
export const cmd = z.object({
  v: version,
  cmd: z.enum(['cancel', 'hello', 'log']),
  installationId: uuid.optional(),
  reason: text(1_024).optional(),
});

/** The service's receipt for a hello and for a terminal status. */
export const ack = z.object({
  v: version,
  /** The `msgId`, or `installationId/attempt/seq`. */
  for: name,
  result: z.enum(['ok', 'unknown', 'forbidden', 'stale']),
  /** Alias → the child's id. */
  children: z.record(z.string(), level).optional(),
  /**
   * To a hello: what is to be in work, by slot. What is not named is withdrawn, unless it is already being installed.
   */
  open: z.record(slotName, z.object({ installationId: uuid, revision: revision(1) })).optional(),
});

/** A document; times are RFC 3339 with an offset, `size` is bytes. */
export type Desired = z.output<typeof desired>;
/** An impulse; without `installationId` it is about the device. */
export type Cmd = z.output<typeof cmd>;
/** A receipt; `open` and `children` are in those for a hello only. */
export type Ack = z.output<typeof ack>;

/** `ack.for` of a status. */
export function statusReceipt(status: { installationId: string; attempt: number; seq: number }): string {
  return `${status.installationId}/${status.attempt}/${status.seq}`;
}
