import { defined } from '../../domain/defined.js';
import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { DirectFile } from './direct-file.js';
import type { FromWriter, Outcome, ToWriter } from './upload-messages.js';

/**
 * The thread that hashes and writes what is uploaded: it has one small heap, in which the chunks of a socket cost the
 * collector nothing.
 */
const port = defined(parentPort, 'this module runs in a worker thread');
const say = (message: FromWriter) => port.postMessage(message);
const uploads = new Map<number, Upload>();

class Upload {
  private readonly hash = createHash('sha256');
  private size = 0;
  private file: DirectFile | undefined;
  /** One message after the other. Never rejects. */
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly id: number,
    path: string,
  ) {
    this.next(async () => void (this.file = await DirectFile.create(path, true)));
  }

  write(chunks: readonly Uint8Array[]): void {
    this.next(async () => {
      const file = this.opened();
      let bytes = 0;
      for (const chunk of chunks) {
        this.hash.update(chunk);
        await file.append(chunk);
        bytes += chunk.length;
      }
      this.size += bytes;
      say({ said: 'taken', id: this.id, bytes });
    });
  }

  end(): void {
    this.next(async () => {
      await this.opened().end();
      await this.finish({ sha256: this.hash.digest('hex'), size: this.size });
    });
  }

  abort(): void {
    this.next(() => this.finish({ message: 'the upload was given up', code: undefined }));
  }

  private opened(): DirectFile {
    return defined(this.file, 'the first step of an upload opens its file');
  }

  private next(step: () => Promise<void>): void {
    this.work = this.work
      .then(() => (uploads.has(this.id) ? step() : undefined))
      .catch(({ message, code }: NodeJS.ErrnoException) => this.finish({ message, code }));
  }

  /** After it nothing that still arrives for this upload counts. */
  private async finish(outcome: Outcome): Promise<void> {
    uploads.delete(this.id);
    try {
      await this.file?.close();
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      return say({ said: 'ended', id: this.id, outcome: 'sha256' in outcome ? { message, code } : outcome });
    }
    say({ said: 'ended', id: this.id, outcome });
  }
}

port.on('message', (message: ToWriter) => {
  switch (message.tell) {
    case 'begin':
      return void uploads.set(message.id, new Upload(message.id, message.path));
    case 'bytes':
      return uploads.get(message.id)?.write(message.chunks);
    case 'end':
      return uploads.get(message.id)?.end();
    case 'abort':
      return uploads.get(message.id)?.abort();
  }
});
