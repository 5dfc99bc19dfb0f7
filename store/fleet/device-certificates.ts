import type { Tx } from '../db/pool.js';

/** A certificate as a listener asks about it: as whom it says it comes, and which it is. */
export interface CertificateClaim {
  readonly tenantId: string;
  /** SHA-256 of the DER form, lower-case hex. */
  readonly fingerprint: string;
}

/** A registered one; who asks decides what a revoked one means. */
export interface RegisteredCertificate {
  readonly id: string;
  readonly deviceId: string;
  readonly status: 'valid' | 'revoked';
}

/** One indexed read. */
export async function findCertificate(
  tx: Tx,
  { tenantId, fingerprint }: CertificateClaim,
): Promise<RegisteredCertificate | undefined> {
  const { rows } = await tx.query<{ id: string; device_id: string; status: 'valid' | 'revoked' }>(
    'SELECT id, device_id, status FROM device_certificates WHERE tenant_id = $1 AND fingerprint = $2',
    [tenantId, fingerprint],
  );
  const [row] = rows;
  return row && { id: row.id, deviceId: row.device_id, status: row.status };
}
