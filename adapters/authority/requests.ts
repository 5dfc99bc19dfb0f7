import 'reflect-metadata';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { whyWeakKey } from '../../domain/key-strength.js';

/** What counts of a certificate request: the key, and that its sender has it. The subject is not looked at. */
export interface CertificateRequest {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
}

/** Larger than any request with an RSA key of 16,384 bits. */
const MAX_BYTES = 16_384;

/**
 * Reads a PKCS #10 request (RFC 2986), in PEM or in base64 of its DER form, as EST sends it (RFC 7030 §4.2.1).
 * @throws Error with the reason, as the end of a sentence: it is none, its key is weak, or its signature is not of that
 * key.
 */
export async function readRequest(text: string): Promise<CertificateRequest> {
  if (text.length > MAX_BYTES) throw new Error(`has more than ${MAX_BYTES} characters`);
  if (text.includes('PRIVATE KEY')) throw new Error('holds a private key: send the request alone, and make a new key');
  let request: Pkcs10CertificateRequest;
  let key: KeyObject;
  try {
    request = new Pkcs10CertificateRequest(
      text.includes('-----BEGIN') ? text : Buffer.from(text.replaceAll(/\s/g, ''), 'base64'),
    );
    key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
  } catch (error) {
    throw new Error('is no PKCS #10 request in PEM (-----BEGIN CERTIFICATE REQUEST-----)', { cause: error });
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const weak = whyWeakKey({ type, bits: details?.modulusLength, curve: details?.namedCurve });
  if (weak !== undefined) throw new Error(weak);
  // An algorithm that cannot be checked is one that proves nothing.
  const isProven = await request.verify().catch(() => false);
  if (!isProven) throw new Error('is not signed by its own key');
  return { publicKey: Buffer.from(request.publicKey.rawData) };
}
