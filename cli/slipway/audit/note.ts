import { createPublicKey, verify } from 'node:crypto';

/** How a tree stood (C2SP tlog-checkpoint). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** Of an Ed25519 key: C2SP signed-note, "Signature types". */
const ED25519 = 1;
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Reads a signed checkpoint and checks its signature.
 * @param verifierKey `name+hash+key`, as `GET /v1/audit/key` and Go's note package write it
 * @returns a sentence where it is not what that key signed
 */
export function openCheckpoint(note: string, verifierKey: string): Checkpoint | string {
  const split = note.indexOf('\n\n');
  if (split < 0) return 'the checkpoint has no signature';
  const text = note.slice(0, split + 1);
  const [name = '', hash = '', ...rest] = verifierKey.split('+');
  const key = Buffer.from(rest.join('+'), 'base64');
  if (key[0] !== ED25519 || key.length !== 33) return 'the key is not an Ed25519 key';
  const publicKey = createPublicKey({
    key: Buffer.concat([SPKI_ED25519, key.subarray(1)]),
    format: 'der',
    type: 'spki',
  });
  const isSigned = note
    .slice(split + 2)
    .split('\n')
    .map((line) => /^— (\S+) (\S+)$/.exec(line))
    .some((line) => {
      if (line?.[1] !== name || line[2] === undefined) return false;
      const signature = Buffer.from(line[2], 'base64');
      return (
        signature.subarray(0, 4).toString('hex') === hash &&
        verify(null, Buffer.from(text), publicKey, signature.subarray(4))
      );
    });
  if (!isSigned) return 'the checkpoint is not signed by the key of the audit';
  const [origin = '', size = '', root = ''] = text.split('\n');
  if (origin !== name) return `the checkpoint is of ${origin}, and the key of ${name}`;
  return { origin, size: Number(size), root: Buffer.from(root, 'base64') };
}
