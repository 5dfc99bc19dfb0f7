import { randomUUID, X509Certificate } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { whyWeakKey } from '../../domain/key-strength.js';
import { shortened } from '../../domain/shortened.js';
import { isUuid } from '../../domain/uuid.js';
import { lockDevice, markCredentials } from './credentials.js';
import { requireDevice } from './devices.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { BY_CREATION, readPage } from '../db/read-page.js';

/** Only a `valid` certificate lets its device in, where a broker admits by certificates (docs/enrolment.md). */
export type CertificateStatus = 'valid' | 'revoked';

/** A client certificate of a device (docs/contracts/device-mqtt.md, "Credentials"). Times are RFC 3339. */
export interface Certificate {
  id: string;
  /** PEM, as it was sent. */
  cert: string;
  status: CertificateStatus;
  /** SHA-256 of the DER form, lower-case hex. */
  fingerprint: string;
  createdAt: string;
  updatedAt: string;
}

interface CertificateRow {
  id: string;
  cert: string;
  status: CertificateStatus;
  fingerprint: string;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = 'id, cert, status, fingerprint, created_at, updated_at';

/** @throws DomainError DEVICE_VALIDATION, DEVICE_NOT_FOUND, DEVICE_CERTIFICATE_CONFLICT */
export async function createCertificate(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  cert: string,
  status: CertificateStatus,
): Promise<Certificate> {
  const fingerprint = fingerprintOf(cert, { tenantId, deviceId });
  await lockDevice(tx, tenantId, deviceId);
  const { rows } = await tx.query<CertificateRow>(
    `INSERT INTO device_certificates (tenant_id, id, device_id, cert, fingerprint, status)
      VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (tenant_id, fingerprint) DO NOTHING RETURNING ${COLUMNS}`,
    [tenantId, randomUUID(), deviceId, cert, fingerprint, status],
  );
  if (!rows[0])
    throw new DomainError(
      'DEVICE_CERTIFICATE_CONFLICT',
      `the certificate ${fingerprint} is registered already; a certificate belongs to one device`,
    );
  await markCredentials(tx, tenantId, deviceId);
  return toCertificate(rows[0]);
}

/**
 * A certificate that the installation's authority has just issued: other than one that is only registered, it lets its
 * device in. @throws DomainError DEVICE_NOT_FOUND
 */
export async function createIssuedCertificate(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  cert: string,
): Promise<Certificate> {
  const created = await createCertificate(tx, tenantId, deviceId, cert, 'valid');
  await tx.query(
    `INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash)
     VALUES ($1, $2, $3, 'certificate', $4, $5)`,
    [tenantId, created.id, deviceId, `${tenantId}/${deviceId.toLowerCase()}`, Buffer.from(created.fingerprint, 'hex')],
  );
  await markCredentials(tx, tenantId, deviceId);
  return created;
}

/** Newest first. @throws DomainError DEVICE_NOT_FOUND */
export async function listCertificates(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  page: PageRequest,
): Promise<Page<Certificate>> {
  await requireDevice(tx, tenantId, deviceId);
  return readPage<CertificateRow, Certificate>(
    tx,
    {
      columns: COLUMNS,
      from: 'device_certificates',
      where: ['tenant_id = $1', 'device_id = $2'],
      values: [tenantId, deviceId],
      sorts: { createdAt: BY_CREATION },
      time: 'createdAt',
    },
    page,
    toCertificate,
  );
}

/** @throws DomainError DEVICE_NOT_FOUND, DEVICE_CERTIFICATE_NOT_FOUND */
export async function setCertificateStatus(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  id: string,
  status: CertificateStatus | undefined,
): Promise<Certificate> {
  await lockDevice(tx, tenantId, deviceId);
  const { rows } = await tx.query<CertificateRow>(
    `UPDATE device_certificates SET updated_at = CASE WHEN status = coalesce($4, status) THEN updated_at
      ELSE now() END, status = coalesce($4, status)
     WHERE tenant_id = $1 AND device_id = $2 AND id = $3 RETURNING ${COLUMNS}`,
    [tenantId, deviceId, id, status ?? null],
  );
  if (!rows[0]) throw noSuchCertificate(id);
  await markCredentials(tx, tenantId, deviceId);
  return toCertificate(rows[0]);
}

/** @throws DomainError DEVICE_NOT_FOUND, DEVICE_CERTIFICATE_NOT_FOUND */
export async function deleteCertificate(tx: Tx, tenantId: string, deviceId: string, id: string): Promise<void> {
  await lockDevice(tx, tenantId, deviceId);
  const deleted = await tx.query(
    'DELETE FROM device_certificates WHERE tenant_id = $1 AND device_id = $2 AND id = $3',
    [tenantId, deviceId, id],
  );
  if (deleted.rowCount === 0) throw noSuchCertificate(id);
  await markCredentials(tx, tenantId, deviceId);
}

/** Whether a common name is that of another node: `tenant/deviceId`, or a bare id of a device. */
function isOfAnother(name: string, { tenantId, deviceId }: { tenantId: string; deviceId: string }): boolean {
  const own = `${tenantId}/${deviceId}`.toLowerCase();
  return (
    (name.includes('/') || isUuid(name)) && name.toLowerCase() !== own && name.toLowerCase() !== deviceId.toLowerCase()
  );
}

function fingerprintOf(pem: string, of: { tenantId: string; deviceId: string }): string {
  const wrong = (detail: string, cause?: unknown) =>
    new DomainError('DEVICE_VALIDATION', `cert ${detail}`, { errors: [{ pointer: '/cert', detail }] }, { cause });
  // A key that was pasted along must not be stored, nor be taken for harmless by its sender.
  if (pem.includes('PRIVATE KEY')) throw wrong('holds a private key; send the certificate alone, and make a new key');
  if (pem.split('-----BEGIN CERTIFICATE-----').length !== 2)
    throw wrong('must be exactly one certificate in PEM (-----BEGIN CERTIFICATE-----)');
  let certificate: X509Certificate;
  let weak: string | undefined;
  try {
    certificate = new X509Certificate(pem);
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
    weak = whyWeakKey({ type, bits: details?.modulusLength, curve: details?.namedCurve });
  } catch (error) {
    throw wrong('is not a readable X.509 certificate in PEM', error);
  }
  if (weak !== undefined) throw wrong(weak);
  const names = [...certificate.subject.matchAll(/^CN=(.*)$/gm)].map(([, name = '']) => name);
  const other = names.find((name) => isOfAnother(name, of));
  if (other !== undefined) {
    throw wrong(
      `names another node, "${shortened(other, 100)}", as its common name; this device is "${of.tenantId}/${of.deviceId}"`,
    );
  }
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

function noSuchCertificate(id: string): DomainError {
  return new DomainError('DEVICE_CERTIFICATE_NOT_FOUND', `this device has no certificate ${id}`);
}

function toCertificate(row: CertificateRow): Certificate {
  return {
    id: row.id,
    cert: row.cert,
    status: row.status,
    fingerprint: row.fingerprint,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
