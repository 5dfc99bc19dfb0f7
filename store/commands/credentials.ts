import { oneRow } from '../db/one-row.js';
import { databaseNow } from '../db/clock.js';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { noSuchDevice, requireDevice } from './devices.js';
import { mark, markDocumentsOf, wakeSender } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { refreshAdmissible } from '../rollouts/moves.js';
import { seal, type SealedFor } from '../fleet/sealed-passwords.js';
import { newDeviceToken } from '../db/key-format.js';

/** What a device can be let in with. */
export type CredentialType = 'password' | 'token';

/** Without its secret, which is shown once, where it is made. `createdAt` is RFC 3339. */
export interface Credential {
  id: string;
  type: CredentialType;
  /** `tenant/device`: as whom it lets in, and what a client sends as its MQTT user name beside a password. */
  username: string;
  createdAt: string;
}

interface CredentialRow {
  id: string;
  type: CredentialType;
  username: string;
  created_at: Date;
}

const COLUMNS = 'id, type, username, created_at';
/** Two, so that a device can be given the next before it gives up the last. */
const VALID_AT_A_TIME = 2;
/** 256 bits: beyond guessing, so that SHA-256 without salt and rounds protects it (docs/decisions). */
const SECRET_BYTES = 32;

/** How the secret of each type is made. */
const TYPES: { [T in CredentialType]: { secret: (id: string) => string; brokerIsTold: boolean } } = {
  password: { secret: () => randomBytes(SECRET_BYTES).toString('base64url'), brokerIsTold: true },
  token: { secret: newDeviceToken, brokerIsTold: false },
};

/**
 * The secret is in this answer and nowhere else, unless a broker has to be told of a password: then also sealed, for
 * who administers it. @throws DomainError DEVICE_NOT_FOUND, DEVICE_CREDENTIAL_LIMIT
 */
export async function createCredential(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  type: CredentialType = 'password',
): Promise<Credential & { secret: string }> {
  // The device's lock: two requests at once do not both see one that is valid.
  await lockDevice(tx, tenantId, deviceId);
  const valid = await tx.query<{ id: string }>(
    'SELECT id FROM device_credentials WHERE tenant_id = $1 AND device_id = $2 AND type = $3 AND revoked_at IS NULL',
    [tenantId, deviceId, type],
  );
  if (valid.rows.length >= VALID_AT_A_TIME) {
    throw new DomainError(
      'DEVICE_CREDENTIAL_LIMIT',
      `${VALID_AT_A_TIME} credentials of this device with the type ${type} are valid; revoke one with DELETE /v1/devices/${deviceId}/credentials/{credentialId} first`,
      { credentials: valid.rows.map((row) => row.id) },
    );
  }
  const id = randomUUID();
  const secret = TYPES[type].secret(id);
  const { rows } = await tx.query<CredentialRow>(
    `INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash, sealed)
      VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
    [
      tenantId,
      id,
      deviceId,
      type,
      `${tenantId}/${deviceId.toLowerCase()}`,
      createHash('sha256').update(secret).digest(),
      TYPES[type].brokerIsTold ? await sealedForBroker(tx, secret, { tenantId, credentialId: id }) : null,
    ],
  );
  await markCredentials(tx, tenantId, deviceId);
  return { ...toCredential(oneRow(rows, 'the new credential')), secret };
}

/** Those that are valid, newest first. @throws DomainError DEVICE_NOT_FOUND */
export async function listCredentials(tx: Tx, tenantId: string, deviceId: string): Promise<Credential[]> {
  await requireDevice(tx, tenantId, deviceId);
  const { rows } = await tx.query<CredentialRow>(
    `SELECT ${COLUMNS} FROM device_credentials WHERE tenant_id = $1 AND device_id = $2 AND revoked_at IS NULL
      ORDER BY created_at DESC, id`,
    [tenantId, deviceId],
  );
  return rows.map(toCredential);
}

/** @throws DomainError DEVICE_NOT_FOUND, DEVICE_CREDENTIAL_NOT_FOUND */
export async function revokeCredential(tx: Tx, tenantId: string, deviceId: string, id: string): Promise<void> {
  await lockDevice(tx, tenantId, deviceId);
  const revoked = await tx.query(
    'UPDATE device_credentials SET revoked_at = now(), sealed = NULL WHERE tenant_id = $1 AND device_id = $2 AND id = $3 AND revoked_at IS NULL',
    [tenantId, deviceId, id],
  );
  if (revoked.rowCount === 0)
    throw new DomainError('DEVICE_CREDENTIAL_NOT_FOUND', `this device has no valid credential ${id}`);
  await markCredentials(tx, tenantId, deviceId);
}

/** @throws DomainError DEVICE_NOT_FOUND */
export async function lockDevice(tx: Tx, tenantId: string, deviceId: string): Promise<void> {
  const found = await tx.query('SELECT FROM devices WHERE tenant_id = $1 AND id = $2 FOR UPDATE', [tenantId, deviceId]);
  if (found.rowCount === 0) throw noSuchDevice(deviceId);
}

/**
 * The broker learns who may connect; and where the device had none or has none any more, the node of all behind it is
 * another.
 */
export async function markCredentials(tx: Tx, tenantId: string, deviceId: string): Promise<void> {
  await mark(tx, [{ receiver: 'credential', tenantId, subject: deviceId, detail: '' }]);
  await markDocumentsOf(tx, tenantId, [deviceId]);
  await mark(tx, await refreshAdmissible(tx, [{ tenantId, deviceId }], databaseNow()));
  await wakeSender(tx);
}

/** null where no broker is administered. */
async function sealedForBroker(tx: Tx, password: string, about: SealedFor): Promise<Buffer | null> {
  const { rows } = await tx.query<{ public_key: Buffer }>('SELECT public_key FROM broker_seal');
  return rows[0] ? seal(rows[0].public_key, password, about) : null;
}

function toCredential(row: CredentialRow): Credential {
  return { id: row.id, type: row.type, username: row.username, createdAt: row.created_at.toISOString() };
}
