import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';

/** Ed25519 in a signed note (C2SP signed-note, "Signature types"). */
const ED25519 = Buffer.of(1);
const SPKI_HEADER_BYTES = 12;

/** The 32 bytes of a public key. @param key Ed25519, private or public */
export function rawPublicKey(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(SPKI_HEADER_BYTES);
}

/** @throws a sentence where the text is no Ed25519 private key in PEM */
export function parsePrivateKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new Error('it holds no private key in PEM', { cause: error });
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(`its key is ${key.asymmetricKeyType}, and has to be Ed25519`);
  return key;
}

/** The name and the key that verify a note, as Go's `note.NewVerifier` reads them. */
export function verifierKey(name: string, publicKey: Buffer): string {
  return `${name}+${keyHash(name, publicKey).toString('hex')}+${Buffer.concat([ED25519, publicKey]).toString('base64')}`;
}

/** The text with the signature of each key below it (C2SP signed-note). @param text ends with a line break */
export function signedNote(text: string, name: string, keys: readonly KeyObject[]): string {
  const lines = keys.map((key) => {
    const signature = Buffer.concat([keyHash(name, rawPublicKey(key)), sign(null, Buffer.from(text), key)]);
    return `— ${name} ${signature.toString('base64')}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

function keyHash(name: string, publicKey: Buffer): Buffer {
  return createHash('sha256').update(`${name}\n`).update(ED25519).update(publicKey).digest().subarray(0, 4);
}

/** How a tree stood: C2SP tlog-checkpoint. */
export function checkpointText(origin: string, size: number, root: Buffer): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}
