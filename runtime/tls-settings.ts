import type { z } from 'zod';
import { brokerForDevices, port, text } from './setting-kinds.js';

/** TLS of the service's own listeners: the API and the embedded broker. Paths of PEM files. */
export const TLS_SETTINGS = {
  SLIPWAY_TLS_CERT_PATH: text.optional(),
  SLIPWAY_TLS_KEY_PATH: text.optional(),
  /** Issues certificates of devices: certificate and key in one file, made at the first enrolment. */
  SLIPWAY_DEVICE_AUTHORITY_FILE: text.optional(),
  /** Where devices reach the broker: they are told when they enrol. */
  SLIPWAY_MQTT_PUBLIC_URL: brokerForDevices.optional(),
  SLIPWAY_HTTPS_PORT: port.default(8443),
  SLIPWAY_MQTT_TLS_PORT: port.default(8883),
} as const;

/** As the processes use them; `files` is undefined where TLS is off. */
export interface TlsSettings {
  readonly files: TlsFiles | undefined;
  readonly httpsPort: number;
  readonly mqttsPort: number;
}

/** Where the PEM files of a listener are. */
export interface TlsFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

type Parsed = z.output<z.ZodObject<typeof TLS_SETTINGS>>;

/** TLS is on where a certificate and its key are given. */
export function tlsSettings(env: Parsed): TlsSettings {
  const { SLIPWAY_TLS_CERT_PATH: certPath, SLIPWAY_TLS_KEY_PATH: keyPath } = env;
  return {
    files: certPath !== undefined && keyPath !== undefined ? { certPath, keyPath } : undefined,
    httpsPort: env.SLIPWAY_HTTPS_PORT,
    mqttsPort: env.SLIPWAY_MQTT_TLS_PORT,
  };
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|\[::1\]|localhost)$/;

/** The sentence about a listener that others can read on the way; undefined where this machine alone reaches it. */
export function plainBeyondLoopback(host: string, tls: TlsSettings): string | undefined {
  if (LOOPBACK.test(host) || tls.files !== undefined) return undefined;
  return `listens on ${host} without TLS: keys, passwords and firmware can be read on the way; set SLIPWAY_TLS_CERT_PATH and SLIPWAY_TLS_KEY_PATH`;
}
