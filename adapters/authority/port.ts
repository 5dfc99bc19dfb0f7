import type { CertificateRequest } from './requests.js';

/** What issues certificates of devices for the whole installation (docs/contracts/trust.md). */
export interface DeviceAuthority {
  /** Its own certificate, PEM. */
  certificate(): Promise<string>;
  /** When that ends, in milliseconds since 1970; undefined where there is none yet. */
  expiresAt(): Promise<number | undefined>;
  /** @returns PEM; lasts P90D. */
  issue(commonName: string, publicKey: Buffer): Promise<string>;
  /** @throws Error with the reason, as the end of a sentence. */
  readRequest(text: string): Promise<CertificateRequest>;
  /** The SubjectPublicKeyInfo of a public key in PEM, DER. @throws Error with the reason, as the end of a sentence. */
  readPublicKey(pem: string): Buffer;
  /** Base64 of a PKCS #7 that holds these certificates alone. */
  certsOnly(pems: readonly string[]): string;
  /** Whether it issued this certificate, in DER; whether that has ended is not asked. */
  hasIssued(der: Buffer): Promise<boolean>;
}
