import { createHash, X509Certificate } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import type { Tx } from '../db/pool.js';

/** An enrolment that has ended with a certificate. `publicKeyHash`: of the key that it ended with. */
export interface KnownEnrolment {
  readonly serial: string;
  readonly deviceId: string | null;
  readonly publicKeyHash: Buffer | null;
}

/** More than a device has in ten years of renewals. */
const MOST_CERTIFICATES = 100;

/**
 * The answer was lost on its way, or the device forgot it: with a key that is registered for it, it has its newest
 * certificate of this key again. @throws DomainError ENROLMENT_REJECTED with another key, DEVICE_CERTIFICATE_REVOKED
 */
export async function sameAnswer(
  tx: Tx,
  tenantId: string,
  { serial, deviceId, publicKeyHash }: KnownEnrolment,
  keyHash: Buffer,
): Promise<{ deviceId: string; certificate: string }> {
  const { rows } = await tx.query<{ cert: string; status: string }>(
    `SELECT cert, status FROM device_certificates x WHERE tenant_id = $1 AND device_id = $2
      AND EXISTS (SELECT FROM device_credentials c
        WHERE c.tenant_id = x.tenant_id AND c.id = x.id AND c.type = 'certificate')
      ORDER BY created_at DESC, id DESC LIMIT ${MOST_CERTIFICATES}`,
    [tenantId, deviceId],
  );
  const own = rows.filter(({ cert }) => hashOfKey(keyOf(cert)).equals(keyHash));
  const valid = own.find(({ status }) => status === 'valid');
  if (valid && deviceId !== null) return { deviceId, certificate: valid.cert };
  if (own.length === 0 && !publicKeyHash?.equals(keyHash)) throw rejected(serial);
  throw new DomainError(
    'DEVICE_CERTIFICATE_REVOKED',
    `the certificate of ${serial} was revoked; an operator opens the serial again with POST /v1/enrolments/preauthorised`,
  );
}

const keyOf = (pem: string): Buffer => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });

/** @param publicKey SubjectPublicKeyInfo, DER */
export const hashOfKey = (publicKey: Buffer): Buffer => createHash('sha256').update(publicKey).digest();

/** A serial or alias that another key has, or that an operator rejected. Made, not thrown. */
export function rejected(name: string, cause?: DomainError): DomainError {
  return new DomainError(
    'ENROLMENT_REJECTED',
    `"${name}" is bound to a device or was rejected; an operator opens it again with POST /v1/enrolments/preauthorised`,
    {},
    { cause },
  );
}
