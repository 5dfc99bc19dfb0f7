import { z } from 'zod';
import { id, label, listQuery, text, timestamp } from './envelope.js';

/** docs/contracts/trust.md, "Certificates and enrolment". */
const MAX_USES = 1_000_000;
const APPROVALS = ['auto', 'manual'] as const;
/** Of a device that asks to come. */
export const ENROLMENT_STATES = ['preauthorised', 'pending', 'approved', 'rejected', 'issued'] as const;

const serial = label(1, 255).meta({ description: "The device's own number; it becomes an alias of the device" });
/** A subject of PEM, or of base64. */
const MAX_REQUEST = 16_384;

/** A token to make, for a batch of devices of one type. */
export const newEnrolmentToken = z
  .strictObject({
    name: label(1, 255).optional(),
    deviceTypeId: id,
    uses: z.int().min(1).max(MAX_USES),
    expiresAt: timestamp,
    approval: z.enum(APPROVALS, { error: `must be one of ${APPROVALS.join(', ')}` }).default('auto'),
  })
  .meta({
    id: 'NewEnrolmentToken',
    example: { deviceTypeId: '123e4567-e89b-12d3-a456-426655440001', uses: 50, expiresAt: '2036-11-24T10:00:00Z' },
  });

const tokenShape = {
  id,
  name: z.string(),
  deviceTypeId: id,
  uses: z.int(),
  used: z.int(),
  approval: z.enum(APPROVALS),
  expiresAt: timestamp,
  createdAt: timestamp,
  createdBy: z.string(),
  revokedAt: timestamp.optional(),
  state: z.enum(['active', 'exhausted', 'expired', 'revoked']),
};

const TYPE = '123e4567-e89b-12d3-a456-426655440001';
const TOKEN = {
  id: '123e4567-e89b-12d3-a456-426655440070',
  name: '50 devices',
  deviceTypeId: TYPE,
  uses: 50,
  used: 0,
  approval: 'auto',
  expiresAt: '2036-11-24T10:00:00.000Z',
  createdAt: '2026-11-24T10:00:00.000Z',
  createdBy: 'key:bootstrap',
  state: 'active',
};

/** Without its secret. */
export const enrolmentToken = z.strictObject(tokenShape).meta({ id: 'EnrolmentToken', example: TOKEN });
/** The answer to the POST only. */
export const enrolmentTokenWithSecret = z
  .strictObject({ ...tokenShape, token: z.string().meta({ description: 'Shown this once' }) })
  .meta({ id: 'EnrolmentTokenWithSecret', example: { ...TOKEN, token: 'slpe_123e4567_…' } });

/** A device that asked to come, or was announced. */
export const enrolment = z
  .strictObject({
    id,
    serial: z.string(),
    aliases: z.array(z.string()),
    deviceTypeId: id,
    state: z.enum(ENROLMENT_STATES),
    tokenId: id.optional(),
    deviceId: id.optional(),
    publicKey: z.string().optional().meta({ description: 'SHA-256 of the public key, hex' }),
    address: z.string().optional(),
    createdAt: timestamp,
    decidedAt: timestamp.optional(),
    decidedBy: z.string().optional(),
  })
  .meta({
    id: 'Enrolment',
    example: {
      id: '123e4567-e89b-12d3-a456-426655440071',
      serial: 'SN-0001',
      aliases: [],
      deviceTypeId: TYPE,
      state: 'pending',
      createdAt: '2026-11-24T10:00:00.000Z',
    },
  });

/** Why, for the audit. */
export const enrolmentDecision = z
  .strictObject({ comment: text(0, 1_000).optional() })
  .optional()
  .meta({ example: { comment: 'from our factory' } });

/** What the list of enrolments is filtered by. */
export const enrolmentQuery = listQuery({
  state: z.enum(ENROLMENT_STATES, { error: `must be one of ${ENROLMENT_STATES.join(', ')}` }).optional(),
});

/** Announces a device; `idData` is another name of its serial. A serial that is enrolled is opened for once more. */
export const preauthorisation = z
  .strictObject({
    serial: serial.optional(),
    idData: serial.optional(),
    pubkey: text(1, MAX_REQUEST).optional().meta({ description: 'PEM; then no other key may come' }),
    deviceTypeId: id,
  })
  .refine((body) => (body.serial === undefined) !== (body.idData === undefined), {
    error: 'must have exactly one of serial and idData',
  })
  .meta({
    id: 'Preauthorisation',
    example: { serial: 'SN-0001', deviceTypeId: '123e4567-e89b-12d3-a456-426655440001' },
  });

/** What a device sends. */
export const newEnrolment = z
  .strictObject({
    csr: text(1, MAX_REQUEST).meta({ description: 'PKCS #10, PEM. Its subject is not looked at' }),
    serial,
    aliases: z.array(label(1, 255)).max(16).optional(),
  })
  .meta({
    id: 'NewEnrolment',
    example: { csr: '-----BEGIN CERTIFICATE REQUEST-----\n…\n-----END CERTIFICATE REQUEST-----\n', serial: 'SN-0001' },
  });

/**
 * What a device has got. `chain`: the authority's certificates, PEM. `root`: what signed firmware is checked by, where
 * the tenant has it; null as long as it has none.
 */
export const issued = z
  .strictObject({
    deviceId: id,
    certificate: z.string(),
    chain: z.array(z.string()),
    mqttUrl: z.string().optional(),
    root: z.null().meta({ description: 'What signed firmware is checked by; null, since no firmware is signed yet' }),
  })
  .meta({
    id: 'IssuedCertificate',
    example: {
      deviceId: '123e4567-e89b-12d3-a456-426655440002',
      certificate: '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n',
      chain: ['-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n'],
      mqttUrl: 'mqtts://mqtt.example.com:8883',
      root: null,
    },
  });

/** An enrolment that waits for an operator. */
export const waiting = z.strictObject({ id, state: z.literal('pending') }).meta({
  id: 'WaitingEnrolment',
  example: { id: '123e4567-e89b-12d3-a456-426655440071', state: 'pending' },
});

/** A request for the next certificate, sent with the present one. */
export const renewal = z.strictObject({ csr: text(1, MAX_REQUEST) }).meta({
  id: 'Renewal',
  example: { csr: '-----BEGIN CERTIFICATE REQUEST-----\n…\n-----END CERTIFICATE REQUEST-----\n' },
});
