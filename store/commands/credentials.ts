import { oneRow } from '../db/one-row.js';
import { recordset } from '../db/recordset.js';
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
export type CredentialType = 'password' | 'token' | 'hawkbitToken' | 'hawkbitGateway';

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
  /** A certificate that was issued has a row, too (store/commands/certificates.ts); it is not shown here. */
  type: CredentialType | 'certificate';
  username: string;
  created_at: Date;
}

const COLUMNS = 'id, type, username, created_at';
/** Two, so that a device can be given the next before it gives up the last. */
const VALID_AT_A_TIME = 2;
/** 256 bits: beyond guessing, so that SHA-256 without salt and rounds protects it (docs/decisions). */
const SECRET_BYTES = 32;

/** What is made for an operator. The others are notes that a device comes in by its tenant's gateway or proxy. */
export type MadeType = Exclude<CredentialType, 'hawkbitGateway'>;

const random = (): string => randomBytes(SECRET_BYTES).toString('base64url');

/** How the secret of each type is made. */
const TYPES: { [T in MadeType]: { secret: (id: string) => string; brokerIsTold: boolean } } = {
  password: { secret: random, brokerIsTold: true },
  token: { secret: newDeviceToken, brokerIsTold: false },
  hawkbitToken: { secret: random, brokerIsTold: false },
};

/**
 * The secret is in this answer and nowhere else, unless a broker has to be told of a password: then also sealed, for
 * who administers it.
 * @param given the secret, where the device has it already
 * @throws DomainError DEVICE_NOT_FOUND, DEVICE_CREDENTIAL_LIMIT, DEVICE_CREDENTIAL_SHOWN where it has this one already
 */
export async function createCredential(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  type: MadeType = 'password',
  given?: string,
): Promise<Credential & { secret: string }> {
  // The device's lock: two requests at once do not both see one that is valid.
  await lockDevice(tx, tenantId, deviceId);
  const valid = await tx.query<{ id: string; secret_hash: Buffer }>(
    'SELECT id, secret_hash FROM device_credentials WHERE tenant_id = $1 AND device_id = $2 AND type = $3 AND revoked_at IS NULL',
    [tenantId, deviceId, type],
  );
  const known = given !== undefined && valid.rows.find(({ secret_hash: hash }) => hash.equals(hashOf(given)));
  if (known)
    throw new DomainError('DEVICE_CREDENTIAL_SHOWN', `the device has this token already, as credential ${known.id}`, {
      credentialId: known.id,
    });
  if (valid.rows.length >= VALID_AT_A_TIME) {
    throw new DomainError(
      'DEVICE_CREDENTIAL_LIMIT',
      `${VALID_AT_A_TIME} credentials of this device with the type ${type} are valid; revoke one with DELETE /v1/devices/${deviceId}/credentials/{credentialId} first`,
      { credentials: valid.rows.map((row) => row.id) },
    );
  }
  const id = randomUUID();
  const secret = given ?? TYPES[type].secret(id);
  const { rows } = await tx.query<CredentialRow>(
    `INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash, sealed)
      VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
    [
      tenantId,
      id,
      deviceId,
      type,
      usernameOf(tenantId, deviceId),
      hashOf(secret),
      TYPES[type].brokerIsTold ? ((await sealOf(tx))?.(secret, { tenantId, credentialId: id }) ?? null) : null,
    ],
  );
  await markCredentials(tx, tenantId, deviceId);
  return { ...toCredential(oneRow(rows, 'the new credential')), secret };
}

/** A password that was made with others. */
export interface MadePassword {
  readonly deviceId: string;
  readonly username: string;
  readonly password: string;
}

/**
 * A password for each of these devices that connects itself and has no valid one: what is behind a gateway needs none.
 * The caller holds their locks.
 */
export async function createPasswords(
  tx: Tx,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<Map<string, MadePassword>> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM devices d WHERE d.tenant_id = $1 AND d.id = ANY($2::uuid[]) AND d.connected_by IS NULL
       AND NOT EXISTS (SELECT FROM device_credentials c WHERE c.tenant_id = d.tenant_id AND c.device_id = d.id
         AND c.type = 'password' AND c.revoked_at IS NULL)
     ORDER BY id`,
    [tenantId, deviceIds],
  );
  if (rows.length === 0) return new Map();
  const sealedBy = await sealOf(tx);
  const made = rows.map(({ id: deviceId }) => ({
    id: randomUUID(),
    deviceId,
    username: usernameOf(tenantId, deviceId),
    password: TYPES.password.secret(''),
  }));
  await tx.query(
    `INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash, sealed)
     SELECT $1, n.id, n.device_id, 'password', n.username, decode(n.hash, 'hex'), decode(n.sealed, 'hex')
     FROM ${recordset('$2', 'id uuid, device_id uuid, username text, hash text, sealed text')} AS n`,
    [
      tenantId,
      JSON.stringify(
        made.map(({ id, deviceId, username, password }) => ({
          id,
          device_id: deviceId,
          username,
          hash: hashOf(password).toString('hex'),
          sealed: sealedBy?.(password, { tenantId, credentialId: id }).toString('hex') ?? null,
        })),
      ),
    ],
  );
  await markCredentialsOf(
    tx,
    tenantId,
    rows.map(({ id }) => id),
  );
  return new Map(made.map(({ deviceId, username, password }) => [deviceId, { deviceId, username, password }]));
}

/** Those that are valid, newest first. @throws DomainError DEVICE_NOT_FOUND */
export async function listCredentials(tx: Tx, tenantId: string, deviceId: string): Promise<Credential[]> {
  await requireDevice(tx, tenantId, deviceId);
  const { rows } = await tx.query<CredentialRow>(
    `SELECT ${COLUMNS} FROM device_credentials WHERE tenant_id = $1 AND device_id = $2 AND revoked_at IS NULL
      AND type <> 'certificate' ORDER BY created_at DESC, id`,
    [tenantId, deviceId],
  );
  return rows.map(toCredential);
}

/** @throws DomainError DEVICE_NOT_FOUND, DEVICE_CREDENTIAL_NOT_FOUND */
export async function revokeCredential(tx: Tx, tenantId: string, deviceId: string, id: string): Promise<void> {
  await lockDevice(tx, tenantId, deviceId);
  const revoked = await tx.query(
    "UPDATE device_credentials SET revoked_at = now(), sealed = NULL WHERE tenant_id = $1 AND device_id = $2 AND id = $3 AND revoked_at IS NULL AND type <> 'certificate'",
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
export function markCredentials(tx: Tx, tenantId: string, deviceId: string): Promise<void> {
  return markCredentialsOf(tx, tenantId, [deviceId]);
}

async function markCredentialsOf(tx: Tx, tenantId: string, deviceIds: readonly string[]): Promise<void> {
  await mark(
    tx,
    deviceIds.map((subject) => ({ receiver: 'credential', tenantId, subject, detail: '' })),
  );
  await markDocumentsOf(tx, tenantId, deviceIds);
  const devices = deviceIds.map((deviceId) => ({ tenantId, deviceId }));
  await mark(tx, await refreshAdmissible(tx, devices, databaseNow()));
  await wakeSender(tx);
}

/** Seals passwords for who administers the broker; undefined where no broker is administered. */
async function sealOf(tx: Tx): Promise<((password: string, about: SealedFor) => Buffer) | undefined> {
  const { rows } = await tx.query<{ public_key: Buffer }>('SELECT public_key FROM broker_seal');
  const key = rows[0]?.public_key;
  return key && ((password, about) => seal(key, password, about));
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function usernameOf(tenantId: string, deviceId: string): string {
  return `${tenantId}/${deviceId.toLowerCase()}`;
}

function toCredential(row: CredentialRow): Credential {
  if (row.type === 'certificate') throw new Error(`the credential ${row.id} is a certificate, and has no secret`);
  return { id: row.id, type: row.type, username: row.username, createdAt: row.created_at.toISOString() };
}
