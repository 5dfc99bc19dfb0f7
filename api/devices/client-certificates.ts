import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import type { Request } from 'express';
import { DomainError } from '../../domain/errors.js';
import { commonNameOf, parseUsername } from '../../protocol/mqtt/access.js';
import { asService } from '../../store/db/transaction.js';
import { findCertificate } from '../../store/fleet/device-certificates.js';
import { devicePrincipal } from '../auth/device-tokens.js';
import type { Principal, Services } from '../http/route.js';

/** A device that was off for months shall not need a person (docs/contracts/trust.md, "Certificates and enrolment"). */
const AFTER_EXPIRY_MS = 365 * 86_400_000;

/** What a certificate is shown for. One that has expired works for `renewal` alone. */
export type Purpose = 'renewal' | 'login';

/**
 * The device by the certificate of its connection: registered for it, not revoked, issued by an authority of the
 * installation, and valid now; for a renewal, not expired for longer than a year. @throws DomainError
 * AUTH_MISSING_TOKEN, AUTH_INVALID_TOKEN, DEVICE_CERTIFICATE_REVOKED
 */
export async function clientOf(
  { pool, authority, now }: Pick<Services, 'pool' | 'authority' | 'now'>,
  request: Request,
  purpose: Purpose,
): Promise<Principal> {
  const certificate = certificateOf(request);
  if (certificate === undefined)
    throw new DomainError('AUTH_MISSING_TOKEN', 'connect with TLS and the certificate of the device');
  const node = parseUsername(commonNameOf(certificate.subject) ?? '');
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  const found = node && (await asService(pool, (tx) => findCertificate(tx, { tenantId: node.tenant, fingerprint })));
  if (!node || found?.deviceId !== node.node.toLowerCase() || !(await authority.hasIssued(certificate.raw)))
    throw new DomainError('AUTH_INVALID_TOKEN', 'the certificate is not one of a device of this service');
  if (found.status === 'revoked')
    throw new DomainError(
      'DEVICE_CERTIFICATE_REVOKED',
      'this certificate was revoked; an operator opens the device again',
    );
  const why = whyNotNow(certificate, purpose, now());
  if (why !== undefined) throw new DomainError('AUTH_INVALID_TOKEN', why);
  return devicePrincipal({ tenantId: node.tenant, deviceId: found.deviceId });
}

function whyNotNow({ validFrom, validTo }: X509Certificate, purpose: Purpose, now: number): string | undefined {
  if (now < Date.parse(validFrom)) return `the certificate is valid from ${validFrom} on`;
  const ended = Date.parse(validTo);
  if (now < ended) return undefined;
  if (purpose === 'login')
    return `the certificate expired at ${validTo}; it works for POST /v1/device/certificate alone, which renews it`;
  return ended + AFTER_EXPIRY_MS < now ? `the certificate expired at ${validTo}, more than a year ago` : undefined;
}

/** The certificate that the client showed in its handshake; it is judged here alone. */
export function certificateOf({ socket }: Request): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
}
