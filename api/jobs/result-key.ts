import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';

/** Which piece of which job: one that is moved to another row cannot be opened. `line`: the last one of the piece. */
export interface PieceOf {
  readonly tenantId: string;
  readonly jobId: string;
  readonly line: number;
}

/** What derives a key for one purpose from the key file of the API (api/audit/signing-key.ts). */
export interface Keys {
  derive(purpose: string): Promise<Buffer>;
}

const PURPOSE = 'slipway job results';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts the results of jobs (AES-256-GCM). The key comes from the file that signs the audit: all APIs have that one
 * already, the database never does, and a process that has another one says so. Once it is rotated, what was sealed
 * before stays closed; no result is kept for longer than an hour.
 */
export class ResultKey {
  constructor(private readonly keys: Keys) {}

  /** @throws DomainError SERVICE_UNAVAILABLE where this process does not have the key */
  async assertThere(): Promise<void> {
    await this.keys.derive(PURPOSE);
  }

  /** @returns IV, tag and ciphertext, in one piece. @throws DomainError SERVICE_UNAVAILABLE */
  async seal(text: string, about: PieceOf): Promise<Buffer> {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', await this.keys.derive(PURPOSE), iv).setAAD(contextOf(about));
    const closed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), closed]);
  }

  /** @throws DomainError JOB_RESULT_GONE where the key was changed since, SERVICE_UNAVAILABLE */
  async open(sealed: Buffer, about: PieceOf): Promise<string> {
    const iv = sealed.subarray(0, IV_BYTES);
    const tag = sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', await this.keys.derive(PURPOSE), iv, { authTagLength: TAG_BYTES })
      .setAAD(contextOf(about))
      .setAuthTag(tag);
    const text = decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES));
    try {
      decipher.final();
    } catch (error) {
      // node:crypto has no code for a tag that does not fit, and `final` throws for nothing else.
      throw new DomainError(
        'JOB_RESULT_GONE',
        'the key of the service was changed since the passwords were made; revoke them and make others',
        {},
        { cause: error },
      );
    }
    return text.toString('utf8');
  }
}

function contextOf({ tenantId, jobId, line }: PieceOf): Buffer {
  return Buffer.from(`${tenantId}/${jobId}/${line}`);
}
