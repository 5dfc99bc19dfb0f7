import type { X509Certificate } from 'node:crypto';
import { commonNameOf, parseUsername } from '../../protocol/mqtt/access.js';
import type { Admission } from './guard.js';

/** What the broker asks about a certificate. */
export interface CertificateLookup {
  /** The certificate that is registered under this fingerprint, SHA-256 in lower-case hex. */
  find(tenantId: string, fingerprint: string): Promise<{ id: string; deviceId: string; status: string } | undefined>;
  /** Whether an authority of the installation issued it, in DER. */
  hasIssued(der: Buffer): Promise<boolean>;
}

/**
 * Who a certificate is: the device that its common name says (`tenant/deviceId`), where exactly this certificate is
 * registered for it and valid, the installation's authority issued it, and it has not ended. A fingerprint alone would
 * let in whatever was registered; an authority alone, whatever it ever signed.
 */
export function byCertificate(
  lookup: CertificateLookup,
  now: () => number,
): (certificate: X509Certificate) => Promise<Admission | null> {
  return async (certificate) => {
    const node = parseUsername(commonNameOf(certificate.subject) ?? '');
    if (!node || !(Date.parse(certificate.validFrom) <= now() && now() < Date.parse(certificate.validTo))) return null;
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    const found = await lookup.find(node.tenant, fingerprint);
    if (found?.status !== 'valid' || found.deviceId !== node.node.toLowerCase()) return null;
    if (!(await lookup.hasIssued(certificate.raw))) return null;
    return { identity: { kind: 'device', ...node }, credentialId: found.id };
  };
}
