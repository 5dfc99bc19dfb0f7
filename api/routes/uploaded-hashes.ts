import type { OldHashes, OldHashing } from '../../adapters/blobs/port.js';
import { keepHashes } from '../../store/commands/ddi-actions.js';
import { asTenant } from '../../store/db/transaction.js';
import type { Services } from '../http/route.js';

/**
 * SHA-1 and MD5 of one upload, for devices of hawkBit. They are made while it arrives and kept behind it: neither the
 * upload nor its answer waits for them. Where that is lost (a crash), the first device that asks makes them
 * (api/devices/ddi/offers.ts).
 */
export class UploadedHashes {
  private readonly hashing: OldHashing | undefined;

  constructor(private readonly services: Services) {
    this.hashing = services.oldHashes?.begin();
  }

  /** The source, as it is. */
  async *through<T extends Uint8Array>(source: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const chunk of source) {
      // Before it is given: then it belongs to the store.
      this.hashing?.take(chunk);
      yield chunk;
    }
  }

  /** The upload is complete, and belongs to this firmware. Goes on in the background. */
  keep(tenantId: string, firmwareId: string, sha256: string): void {
    const { pool, log } = this.services;
    void this.made(sha256)
      .then((hashes) => hashes && asTenant(pool, tenantId, (tx) => keepHashes(tx, tenantId, firmwareId, hashes)))
      .catch((error: unknown) => log.warn({ err: error, firmwareId }, 'SHA-1 and MD5 of an upload were not kept'));
  }

  /** What was taken is thrown away, unless it was kept. */
  abort(): void {
    this.hashing?.abort();
  }

  private async made(sha256: string): Promise<OldHashes | undefined> {
    const { oldHashes, blobs } = this.services;
    const alongside = await this.hashing?.end();
    if (alongside ?? !oldHashes) return alongside;
    const bytes = await blobs.open(sha256);
    return bytes && oldHashes.of(bytes);
  }
}
