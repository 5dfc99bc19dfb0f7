import { Worker } from 'node:worker_threads';
import type { FromWriter, Outcome, ToWriter, Written } from './upload-messages.js';

/** What is handed over at once: a message costs as much as many of a socket's chunks (64 KiB). */
const BATCH_BYTES = 256 * 1024;
/** What the thread has not hashed yet, of one upload; then its source waits. */
const AHEAD_BYTES = 4 * 1024 * 1024;

/**
 * Hashes and writes uploads in a thread of its own, all of them in one, so that the API answers meanwhile, and its collector does not walk
 * its whole heap for the sake of chunks that pass through. The thread begins with the first upload and ends with `close`.
 */
export class UploadThread {
  private thread: Worker | undefined;
  private uploads = new Map<number, Upload>();
  private begun = 0;

  /** @param worker the compiled upload-worker.js: threads load no TypeScript. */
  constructor(private readonly worker: URL) {}

  /**
   * Writes a file, or writes it anew, and syncs it. The chunks of the source belong to this from then on. On failure the file may be there, closed.
   * @throws what the source threw, or what kept the bytes from the disk.
   */
  async write(path: string, source: AsyncIterable<Uint8Array>): Promise<Written> {
    const thread = (this.thread ??= this.start());
    const id = (this.begun += 1);
    const upload = new Upload(id, (message, transfer) => thread.postMessage(message, transfer));
    this.uploads.set(id, upload);
    thread.ref();
    try {
      upload.begin(path);
      for await (const chunk of source) await upload.take(chunk);
      return await upload.end();
    } catch (error) {
      await upload.abort();
      throw error;
    } finally {
      this.uploads.delete(id);
      if (this.uploads.size === 0) this.thread?.unref();
    }
  }

  async close(): Promise<void> {
    await this.thread?.terminate();
  }

  private start(): Worker {
    const thread = new Worker(this.worker);
    thread.on('message', (message: FromWriter) => {
      const upload = this.uploads.get(message.id);
      if (message.said === 'taken') upload?.taken(message.bytes);
      else upload?.ended(message.outcome);
    });
    thread.once('error', (error) => this.lost(error.message));
    thread.once('exit', () => this.lost('it was ended'));
    return thread;
  }

  /** Their files are closed with it. The next upload begins another one. */
  private lost(why: string): void {
    this.thread = undefined;
    for (const upload of this.uploads.values()) upload.ended({ message: `the thread that writes uploads is gone: ${why}`, code: undefined });
  }
}

type Post = (message: ToWriter, transfer: ArrayBuffer[]) => void;

class Upload {
  private batch: Uint8Array<ArrayBuffer>[] = [];
  private batchBytes = 0;
  private ahead = 0;
  private outcome: Outcome | undefined;
  private wake: () => void = () => undefined;

  constructor(private readonly id: number, private readonly post: Post) {}

  begin(path: string): void {
    this.post({ tell: 'begin', id: this.id, path }, []);
  }

  async take(chunk: Uint8Array): Promise<void> {
    this.batch.push(owned(chunk));
    this.batchBytes += chunk.length;
    if (this.batchBytes >= BATCH_BYTES) this.send();
    await this.until(() => this.ahead <= AHEAD_BYTES);
    this.assertUnfailed();
  }

  async end(): Promise<Written> {
    if (this.batchBytes > 0) this.send();
    this.post({ tell: 'end', id: this.id }, []);
    await this.until(() => false);
    this.assertUnfailed();
    return this.outcome as Written;
  }

  async abort(): Promise<void> {
    if (this.outcome === undefined) this.post({ tell: 'abort', id: this.id }, []);
    await this.until(() => false);
  }

  taken(bytes: number): void {
    this.ahead -= bytes;
    this.wake();
  }

  ended(outcome: Outcome): void {
    this.outcome ??= outcome;
    this.wake();
  }

  private send(): void {
    this.post({ tell: 'bytes', id: this.id, chunks: this.batch }, this.batch.map(({ buffer }) => buffer));
    this.ahead += this.batchBytes;
    this.batch = [];
    this.batchBytes = 0;
  }

  /** Ends at the latest when the upload has: each `ended` by the thread, or by its loss. */
  private async until(isTrue: () => boolean): Promise<void> {
    while (this.outcome === undefined && !isTrue()) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  private assertUnfailed(): void {
    if (this.outcome === undefined || 'sha256' in this.outcome) return;
    throw Object.assign(new Error(this.outcome.message), this.outcome.code === undefined ? {} : { code: this.outcome.code });
  }
}

/** Only a whole buffer can be handed over: of a part, others may hold the rest (the head of a request, Node's pool). */
function owned(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = chunk;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? (chunk as Uint8Array<ArrayBuffer>) : new Uint8Array(chunk);
}
