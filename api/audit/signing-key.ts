import { generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { keyInUse, logId, registerKey } from '../../store/audit/keys.js';
import type { Pool } from '../../store/db/pool.js';
import { checkpointText, parsePrivateKey, rawPublicKey, signedNote, verifierKey } from './note.js';

const DERIVED_BYTES = 32;

/** The file of the private key: of mode 0600, and part of a backup. */
export interface KeyFile {
  /** For people: which file it is. */
  readonly path: string;
  read(): string | undefined;
  /** False where there is one already. */
  create(pem: string): boolean;
}

/** Signs checkpoints of one installation. */
export interface Signer {
  /** What the tree of a tenant is called: first line of its checkpoints, and name of their key. */
  origin(tenantId: string): string;
  checkpoint(tenantId: string, size: number, root: Buffer): string;
  /** What verifies them. */
  verifierKey(tenantId: string): string;
}

/**
 * The key that signs the audit. The first process of an installation makes it; the database knows its public half, so
 * that no two processes sign with different keys, and a key that was lost is not replaced in silence.
 */
export class SigningKey {
  private opened: { publicKey: Buffer; signer: Signer; privateKey: KeyObject } | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly file: KeyFile,
  ) {}

  /** @throws DomainError SERVICE_UNAVAILABLE, with what to do, where this process has not the installation's key */
  async signer(): Promise<Signer> {
    return (await this.open()).signer;
  }

  /**
   * 32 bytes that only who has the file can make, others for each purpose.
   * @throws DomainError SERVICE_UNAVAILABLE as `signer`
   */
  async derive(purpose: string): Promise<Buffer> {
    const { privateKey } = await this.open();
    const secret = privateKey.export({ type: 'pkcs8', format: 'der' });
    return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), purpose, DERIVED_BYTES));
  }

  private async open(): Promise<NonNullable<typeof this.opened>> {
    const registered = await keyInUse(this.pool);
    if (this.opened && registered?.equals(this.opened.publicKey)) return this.opened;
    const { path } = this.file;
    let pem = this.read();
    if (pem === undefined && registered !== undefined)
      throw unavailable(`${path} is missing: put the file of a backup there`);
    if (pem === undefined) {
      this.create();
      pem = this.read() ?? '';
    }
    const key = this.parse(pem);
    const publicKey = rawPublicKey(key);
    if (!(registered ?? (await registerKey(this.pool, publicKey))).equals(publicKey))
      throw unavailable(`${path} holds another key than the one this installation signs with: put its file there`);
    const signer = signerOf(await logId(this.pool), key);
    this.opened = { publicKey, signer, privateKey: key };
    return this.opened;
  }

  private read(): string | undefined {
    try {
      return this.file.read();
    } catch (error) {
      throw unavailable(`${this.file.path} cannot be read: ${(error as Error).message}`, error);
    }
  }

  private create(): void {
    const { privateKey } = generateKeyPairSync('ed25519');
    try {
      this.file.create(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    } catch (error) {
      throw unavailable(`${this.file.path} cannot be made: ${(error as Error).message}`, error);
    }
  }

  private parse(pem: string): KeyObject {
    try {
      return parsePrivateKey(pem);
    } catch (error) {
      throw unavailable(`${this.file.path}: ${(error as Error).message}; put the file of a backup there`, error);
    }
  }
}

/** What the tree of a tenant is called: first line of its checkpoints, and name of their key. */
export function originOf(log: string, tenantId: string): string {
  return `slipway/${log}/${tenantId}`;
}

function signerOf(log: string, key: KeyObject): Signer {
  const origin = (tenantId: string) => originOf(log, tenantId);
  return {
    origin,
    checkpoint: (tenantId, size, root) =>
      signedNote(checkpointText(origin(tenantId), size, root), origin(tenantId), [key]),
    verifierKey: (tenantId) => verifierKey(origin(tenantId), rawPublicKey(key)),
  };
}

function unavailable(sentence: string, cause?: unknown): DomainError {
  return new DomainError('SERVICE_UNAVAILABLE', `the audit cannot be signed: ${sentence}`, {}, { cause });
}
