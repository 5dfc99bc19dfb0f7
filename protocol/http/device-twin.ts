import { z } from 'zod';
import { ack, desired } from '../mqtt/down.js';
import { hello, log, progress, status } from '../mqtt/up.js';
import { duration } from './duration.js';
import { id } from './envelope.js';

/**
 * What devices send and are answered over HTTP, for its document: the payloads of MQTT (docs/contracts/device-mqtt.md,
 * "The HTTP twin").
 */
const INSTALLATION = '123e4567-e89b-12d3-a456-426655440003';
const DIGEST = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const BOOT = '0b7a3a3e-5d0c-4a3e-9a53-6d1f8f1e2c4d';

/** Payloads by the last part of the path, each with an example. */
export const SENT = {
  hello: hello.meta({
    id: 'Hello',
    example: {
      v: 1,
      msgId: BOOT,
      bootId: BOOT,
      agent: { name: 'http-shell', version: '1' },
      slots: { firmware: { version: '1.4.0', sha256: DIGEST, confirmed: true } },
    },
  }),
  status: status.meta({
    id: 'Status',
    example: { v: 1, installationId: INSTALLATION, attempt: 1, seq: 1, slot: 'firmware', state: 'accepted' },
  }),
  progress: progress.meta({
    id: 'Progress',
    example: { v: 1, installationId: INSTALLATION, phase: 'download', bytes: 4096, total: 65536 },
  }),
  log: log.meta({
    id: 'Log',
    example: { v: 1, installationId: INSTALLATION, lines: ['verify failed at block 7'] },
  }),
} as const;

/** What a hello and a status are answered. */
export const answeredAck = ack.meta({
  id: 'Ack',
  example: { v: 1, for: `${INSTALLATION}/1/1`, result: 'ok' },
});

/** Where the receipt says that something is unknown, or the path names no device. */
export const unknownAnswer = z.union([answeredAck, z.looseObject({ errorCode: z.literal('DEVICE_NOT_FOUND') })]);

const document = {
  v: 1,
  revision: 7,
  installationId: INSTALLATION,
  attempt: 1,
  issuedAt: '2026-11-24T10:00:00.000Z',
  slot: 'firmware',
  device: { id: '123e4567-e89b-12d3-a456-426655440002', aliases: [] },
  firmware: {
    id: '123e4567-e89b-12d3-a456-426655440001',
    name: 'switch',
    version: '1.5.0',
    size: 65536,
    sha256: DIGEST,
    contentType: 'application/octet-stream',
  },
  download: { url: 'https://slipway.example/download/installations/default/…?sig=…' },
  gate: 'go',
  policy: { maxDeferSeconds: 3600, confirmWithinSeconds: 900, retryDownload: 3 },
};

/** What is to be installed in one slot. */
export const desiredDocument = desired.meta({ id: 'Desired', example: document });

/** The same of all slots, by slot. */
export const desiredDocuments = z.record(z.string(), desiredDocument).meta({ example: { firmware: document } });

/** An hour is more than any answer waits (`MOST_WAIT_MS` of the routes). */
const LONGEST_MS = 3_600_000;

/** How long an answer may wait, in milliseconds once parsed. */
export const waitQuery = z.strictObject({ wait: duration(0, LONGEST_MS, 'PT30S').optional() });

/** A child of the gateway that asks. */
export const childParam = z.object({ device: id });

/** The name of a slot, which is the last part of its path. */
export const slotParam = z.object({
  slot: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,255}$/)
    .meta({ example: 'firmware' }),
});
