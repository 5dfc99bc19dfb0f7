import type { z } from 'zod';
import { count, duration } from './setting-kinds.js';

/** Beyond it a client that waits and one that holds a connection cannot be told apart. */
const LONGEST_MS = 600_000;
const wait = duration.refine((ms) => ms >= 1_000 && ms <= LONGEST_MS, 'must be between PT1S and PT10M');

/**
 * Limits of what strangers and devices cost at the edge (docs/operations.md, "Limits at the edge"). 0 of a number = no
 * limit.
 */
export const EDGE_SETTINGS = {
  SLIPWAY_MQTT_CONNECTIONS_PER_DEVICE: count(1, 1_000).default(10),
  SLIPWAY_MQTT_CONNECTIONS_PER_ADDRESS: count(1, 1_000_000).default(10_000),
  /** A device reports a few times in an installation; a gateway for all of its children. */
  SLIPWAY_MQTT_MESSAGES_PER_SECOND: count(0, 1_000_000).default(500),
  SLIPWAY_MQTT_BYTES_BEFORE_CONNECT: count(1_024, 1_048_576).default(65_536),
  SLIPWAY_HTTP_CONNECTIONS_PER_ADDRESS: count(0, 1_000_000).default(10_000),
  /** Headers are a few hundred bytes: a client that needs longer for them is holding the connection, not using it. */
  SLIPWAY_HTTP_HEADERS_TIMEOUT: wait.default(15_000),
  SLIPWAY_HTTP_BODY_TIMEOUT: wait.default(30_000),
  /** Of an upload, over a minute: below it no radio link was ever seen to end. */
  SLIPWAY_UPLOAD_MIN_BYTES_PER_SECOND: count(0, 1_000_000).default(100),
  SLIPWAY_TLS_HANDSHAKE_TIMEOUT: wait.default(10_000),
  /** A handshake takes 2.3 ms of a core: at this rate one address has half of it. 2,000 may come at once. */
  SLIPWAY_TLS_HANDSHAKES_PER_ADDRESS: count(0, 1_000_000).default(12_000),
  /** In a minute: each may make a device and a certificate. A factory's may come from one address. */
  SLIPWAY_ENROLMENTS_PER_ADDRESS: count(0, 1_000_000).default(6_000),
} as const;

/** Of the API's listeners. Times are milliseconds; Infinity = no limit. */
export interface HttpLimits {
  /** Connections at the same time. */
  readonly connectionsPerAddress: number;
  readonly headersTimeoutMs: number;
  readonly uploadBytesPerSecond: number;
  readonly handshakeTimeoutMs: number;
  /** In a minute. */
  readonly handshakesPerAddress: number;
}

type Parsed = z.output<z.ZodObject<typeof EDGE_SETTINGS>>;

/** As the API's listeners take them. */
export function httpLimits(env: Parsed): HttpLimits {
  return {
    connectionsPerAddress: env.SLIPWAY_HTTP_CONNECTIONS_PER_ADDRESS || Infinity,
    headersTimeoutMs: env.SLIPWAY_HTTP_HEADERS_TIMEOUT,
    uploadBytesPerSecond: env.SLIPWAY_UPLOAD_MIN_BYTES_PER_SECOND,
    handshakeTimeoutMs: env.SLIPWAY_TLS_HANDSHAKE_TIMEOUT,
    handshakesPerAddress: env.SLIPWAY_TLS_HANDSHAKES_PER_ADDRESS || Infinity,
  };
}

/** As the embedded broker takes them. */
export function mqttLimits(env: Parsed) {
  return {
    perDevice: env.SLIPWAY_MQTT_CONNECTIONS_PER_DEVICE,
    perAddress: env.SLIPWAY_MQTT_CONNECTIONS_PER_ADDRESS,
    ...(env.SLIPWAY_MQTT_MESSAGES_PER_SECOND > 0 && { messagesPerSecond: env.SLIPWAY_MQTT_MESSAGES_PER_SECOND }),
    bytesBeforeConnect: env.SLIPWAY_MQTT_BYTES_BEFORE_CONNECT,
    handshakes: {
      timeoutMs: env.SLIPWAY_TLS_HANDSHAKE_TIMEOUT,
      perMinute: env.SLIPWAY_TLS_HANDSHAKES_PER_ADDRESS || Infinity,
    },
  };
}
