import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  scryptSync,
  type KeyObject,
} from 'node:crypto';

/** Whose password it is: a sealed one that is moved to another row cannot be opened. */
export interface SealedFor {
  readonly tenantId: string;
  readonly credentialId: string;
}

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** An X25519 public key in DER is always as long. */
const DER_BYTES = 44;
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
/** About 50 ms, once per process: a thief of the database shall not try an operator's weak password by the million. */
const SCRYPT = { N: 2 ** 14, r: 8, p: 1 };

/**
 * The private half, from the password of the broker's administrator: who has that may set every password at the broker
 * anyway. The same password gives the same key, so that nothing has to be kept; after a change, what was sealed before
 * stays closed.
 */
export function privateKeyOf(adminPassword: string): KeyObject {
  const seed = scryptSync(adminPassword, 'slipway broker passwords', KEY_BYTES, SCRYPT);
  return createPrivateKey({ key: Buffer.concat([PKCS8_X25519, seed]), format: 'der', type: 'pkcs8' });
}

/** DER, as it is stored for those who seal. */
export function publicKeyOf(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
}

/** @returns the ephemeral public key, IV, tag and ciphertext, in one piece. */
export function seal(publicKey: Buffer, password: string, about: SealedFor): Buffer {
  const ephemeral = generateKeyPairSync('x25519');
  const ephemeralDer = ephemeral.publicKey.export({ format: 'der', type: 'spki' });
  const recipient = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(
    'aes-256-gcm',
    sharedKey(ephemeral.privateKey, recipient, ephemeralDer, publicKey),
    iv,
  ).setAAD(contextOf(about));
  const closed = Buffer.concat([cipher.update(password, 'utf8'), cipher.final()]);
  return Buffer.concat([ephemeralDer, iv, cipher.getAuthTag(), closed]);
}

/** @returns undefined where it was sealed to another key, or for another credential. */
export function unseal(privateKey: KeyObject, sealed: Buffer, about: SealedFor): string | undefined {
  const [ephemeralDer, iv, tag, closed] = cut(sealed, DER_BYTES, IV_BYTES, TAG_BYTES) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const ephemeral = createPublicKey({ key: ephemeralDer, format: 'der', type: 'spki' });
  const key = sharedKey(privateKey, ephemeral, ephemeralDer, publicKeyOf(privateKey));
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
    .setAAD(contextOf(about))
    .setAuthTag(tag);
  const password = decipher.update(closed).toString('utf8');
  try {
    decipher.final();
  } catch {
    return undefined; // node:crypto has no code for a tag that does not fit, and `final` throws for nothing else
  }
  return password;
}

function sharedKey(privateKey: KeyObject, publicKey: KeyObject, ephemeralDer: Buffer, recipientDer: Buffer): Buffer {
  const secret = diffieHellman({ privateKey, publicKey });
  return Buffer.from(
    hkdfSync('sha256', secret, Buffer.concat([ephemeralDer, recipientDer]), 'slipway broker passwords', KEY_BYTES),
  );
}

function contextOf({ tenantId, credentialId }: SealedFor): Buffer {
  return Buffer.from(`${tenantId}/${credentialId}`);
}

function cut(bytes: Buffer, ...lengths: readonly number[]): Buffer[] {
  let at = 0;
  const parts = lengths.map((length) => bytes.subarray(at, (at += length)));
  return [...parts, bytes.subarray(at)];
}
