import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** Less than 32 bytes could be guessed. */
const LEAST_BYTES = 32;
const MAKE_ONE = 'make one with: (umask 077; openssl rand -base64 48 > FILE)';

/**
 * The key that backups are signed with, from the file of `SLIPWAY_BACKUP_KEY_FILE`: its bytes, without white space at
 * the end. @returns undefined where the setting has no value. @throws a sentence where the file cannot serve
 */
export async function readBackupKey(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  const text = await readFile(path, 'latin1').catch((error: unknown) => {
    throw new Error(`SLIPWAY_BACKUP_KEY_FILE: ${(error as Error).message}; ${MAKE_ONE}`, { cause: error });
  });
  const key = Buffer.from(text.trimEnd(), 'latin1');
  if (key.length < LEAST_BYTES) {
    throw new Error(
      `SLIPWAY_BACKUP_KEY_FILE: ${path} has ${key.length} bytes, and a key has at least ${LEAST_BYTES}; ${MAKE_ONE}`,
    );
  }
  return key;
}

/** HMAC-SHA256 over a manifest as JSON without white space, in hex. */
export function macOf(manifest: object, key: Buffer): string {
  return createHmac('sha256', key).update(JSON.stringify(manifest)).digest('hex');
}

/** Whether both are the same, in a time that says nothing of where they differ. */
export function isSameMac(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
