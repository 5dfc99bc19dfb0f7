import { createPublicKey, X509Certificate } from 'node:crypto';
import type { DeviceAuthority } from './port.js';
import { readRequest } from './requests.js';
import { certsOnly, makeAuthority, makeDeviceCertificate, type CertificateAndKey } from './x509.js';

const DAY_MS = 86_400_000;
/** docs/contracts/trust.md, "Certificates and enrolment": a device renews from two thirds on. */
const LIFETIME_MS = 90 * DAY_MS;
/** Devices in the field know it; it is renewed by adding another, not by replacing this one. */
const AUTHORITY_DAYS = 20 * 365;

/** Where the authority is kept: certificate and key, PEM, in one text. */
export interface AuthorityFile {
  read(): string | undefined;
  /** Makes it unless it is there: of two processes one wins, and both read the same. */
  create(text: string): boolean;
}

/**
 * The installation's own authority, whose key is a file. It is made at the first need, so that an installation without
 * enrolment has none.
 */
export function fileAuthority(file: AuthorityFile): DeviceAuthority {
  let known: Promise<CertificateAndKey> | undefined;
  const get = (): Promise<CertificateAndKey> => {
    known ??= open(file).catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
  return {
    certificate: async () => (await get()).certificate,
    async expiresAt() {
      if (known === undefined && file.read() === undefined) return undefined;
      return Date.parse(new X509Certificate((await get()).certificate).validTo);
    },
    issue: async (commonName, publicKey) => makeDeviceCertificate(await get(), commonName, publicKey, LIFETIME_MS),
    readRequest,
    readPublicKey(pem) {
      try {
        return createPublicKey(pem).export({ type: 'spki', format: 'der' });
      } catch (error) {
        throw new Error('is no public key in PEM', { cause: error });
      }
    },
    certsOnly,
    async hasIssued(der) {
      if (known === undefined && file.read() === undefined) return false;
      const own = new X509Certificate((await get()).certificate);
      return isIssuedBy(new X509Certificate(der), own);
    },
  };
}

function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

async function open(file: AuthorityFile): Promise<CertificateAndKey> {
  const kept = file.read();
  if (kept !== undefined) return split(kept);
  const made = await makeAuthority('Slipway device authority', AUTHORITY_DAYS);
  file.create(`${made.certificate.trim()}\n${made.key.trim()}\n`);
  return split(file.read() ?? '');
}

function split(text: string): CertificateAndKey {
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text)?.[0];
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(text)?.[0];
  if (certificate === undefined || key === undefined)
    throw new Error('the file of the device authority holds no certificate and private key (PKCS #8), in PEM');
  return { certificate, key };
}
