import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type Extension,
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509Certificates,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
/** A clock that is a little behind shall not refuse what was just made. */
const BACKDATED_MS = 3_600_000;
/** Of a serial number; positive, at most 20 bytes (RFC 5280 §4.1.2.2). */
const SERIAL_BYTES = 16;

/** A certificate and its private key, PEM. */
export interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

/** An authority that signs itself, with a P-256 key. */
export async function makeAuthority(commonName: string, days: number): Promise<CertificateAndKey> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    keys,
    serialNumber: newSerial(),
    signingAlgorithm: ALGORITHM,
    ...lasting(days * DAY_MS),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

/** A certificate of a server with these DNS names and addresses. */
export async function makeServerCertificate(
  authority: CertificateAndKey,
  names: readonly string[],
  days: number,
): Promise<CertificateAndKey> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await sign(authority, [{ CN: ['Slipway'] }], keys.publicKey, days * DAY_MS, newSerial(), [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(
      names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
    ),
  ]);
  return { certificate, key: await pemOf(keys.privateKey) };
}

/**
 * A certificate of a device: CN `tenant/deviceId`, and the certificate's own serial number in the subject, so that a
 * broker has one login for each certificate (docs/contracts/trust.md).
 * @param publicKey SubjectPublicKeyInfo, DER.
 * @returns PEM
 */
export function makeDeviceCertificate(
  authority: CertificateAndKey,
  commonName: string,
  publicKey: Buffer,
  lifetimeMs: number,
): Promise<string> {
  const serial = newSerial();
  return sign(
    authority,
    [{ CN: [commonName] }, { '2.5.4.5': [serial] }],
    new PublicKey(publicKey),
    lifetimeMs,
    serial,
    [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
  );
}

/** Certificates alone, as EST answers (RFC 7030 §4.1.3): base64 of a PKCS #7 without signatures. */
export function certsOnly(pems: readonly string[]): string {
  return Buffer.from(new X509Certificates(pems.map((pem) => new X509Certificate(pem))).export('raw')).toString(
    'base64',
  );
}

async function sign(
  authority: CertificateAndKey,
  subject: { [type: string]: string[] }[],
  publicKey: PublicKey | webcrypto.CryptoKey,
  lifetimeMs: number,
  serialNumber: string,
  extensions: readonly Extension[],
): Promise<string> {
  const issuer = new X509Certificate(authority.certificate);
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: issuer.subjectName.toJSON(),
    serialNumber,
    publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: ALGORITHM,
    ...lasting(lifetimeMs),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      ...extensions,
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return certificate.toString('pem');
}

/** Hex; the first bit is 0, so that it is positive, and the next is 1, so that no zero is cut off. */
function newSerial(): string {
  const hex = randomBytes(SERIAL_BYTES).toString('hex');
  return `4${hex.slice(1)}`;
}

const lasting = (ms: number) => ({
  notBefore: new Date(Date.now() - BACKDATED_MS),
  notAfter: new Date(Date.now() + ms),
});

const pemOf = async (key: webcrypto.CryptoKey): Promise<string> =>
  PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');

const signingKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey(
    'pkcs8',
    createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' }),
    ALGORITHM,
    false,
    ['sign'],
  );
