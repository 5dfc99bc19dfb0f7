import { z } from 'zod';
import { id, text, timestamp } from './envelope.js';

/** `password` is for MQTT, the others for the routes of devices (/openapi-devices.json). */
const type = z.enum(['password', 'token', 'hawkbitToken'], { error: 'must be "password", "token" or "hawkbitToken"' });

/**
 * What hawkBit allows as a token, as far as a header can carry it: a device in the field keeps the one that it has.
 * Blanks at its ends would be lost on the way.
 */
export const HAWKBIT_TOKEN = {
  pattern: /^[!-~](?:[ -~]{0,510}[!-~])?$/,
  error: 'must have 1 to 512 characters of ASCII, without blanks at its ends',
} as const;

/** docs/contracts/rest-api.md, "Devices": the service makes the secret, so a fast hash of it suffices. */
export const newCredential = z
  .strictObject({
    type,
    token: z
      .string()
      .regex(HAWKBIT_TOKEN.pattern, { error: HAWKBIT_TOKEN.error })
      .optional()
      .meta({ description: 'Of a hawkbitToken: the one that the device has already' }),
  })
  .refine(({ type: of, token }) => token === undefined || of === 'hawkbitToken', {
    error: 'is given with "hawkbitToken" only: the service makes the others',
    path: ['token'],
  })
  .meta({ id: 'NewCredential', example: { type: 'password' } });

const shape = {
  id,
  type: z.enum(['password', 'token', 'hawkbitToken', 'hawkbitGateway']),
  username: z
    .string()
    .meta({ description: '{tenant}/{deviceId}', example: 'default/123e4567-e89b-12d3-a456-426655440000' }),
  createdAt: timestamp,
};

const example = {
  id: '123e4567-e89b-12d3-a456-426655440005',
  type: 'password',
  username: 'default/123e4567-e89b-12d3-a456-426655440002',
  createdAt: '2026-11-24T10:00:00.000Z',
};

/** Without its secret, which cannot be read again (docs/contracts/rest-api.md, "Devices"). */
export const credential = z.strictObject(shape).meta({ id: 'Credential', example });

/** The answer to the POST only: the secret, under the name of its type, is in no other one. */
export const credentialWithSecret = z
  .strictObject({
    ...shape,
    password: z.string().optional().meta({ description: 'Shown this once' }),
    token: z.string().optional().meta({ description: 'Shown this once' }),
  })
  .meta({
    id: 'CredentialWithSecret',
    example: { ...example, password: 'Fh2vV2m0m8nY3vI0rAhy6mN5k1cX7u9w4qZsJ8eLtBd' },
  });

const status = z.enum(['valid', 'revoked'], { error: 'must be "valid" or "revoked"' });

/** Larger than any certificate with a chain of extensions; OpenSSL's own limit is beyond it. */
const MAX_PEM = 65_536;

/** A certificate to register; PEM, at most `MAX_PEM` characters. */
export const newCertificate = z
  .strictObject({
    cert: text(1, MAX_PEM).meta({ description: 'One X.509 certificate, PEM' }),
    status: status.default('valid'),
  })
  .meta({
    id: 'NewCertificate',
    example: { cert: '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n', status: 'valid' },
  });

/** Only the status can change: another certificate is a new one. */
export const certificatePatch = z
  .strictObject({ status: status.optional() })
  .meta({ id: 'CertificatePatch', example: { status: 'revoked' } });

/** A registered certificate. Its fingerprint is what a connection is compared with. */
export const certificate = z
  .strictObject({
    id,
    cert: z.string(),
    status,
    fingerprint: z.string().meta({ description: 'SHA-256 of the DER form, hex' }),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({
    id: 'Certificate',
    example: {
      id: '123e4567-e89b-12d3-a456-426655440006',
      cert: '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n',
      status: 'valid',
      fingerprint: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      createdAt: '2026-11-24T10:00:00.000Z',
      updatedAt: '2026-11-24T10:00:00.000Z',
    },
  });
