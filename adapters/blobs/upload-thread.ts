import { Worker } from 'node:worker_threads';
import type { FromWriter, Outcome, ToWriter, Written } from './upload-messages.js';

/**
 * What is handed over at once. Of 200 MB by curl, eight times each: 640 MB/s with 256 KiB, 640 with 64 KiB, 740 with
 * this and as much again ahead (medians).
 */
const BATCH_BYTES = 1024 * 1024;
/**
 * Chunks below it are copied into one: handing over thousands of buffers in a message takes the square of that (Node
 * looks for doubles).
 */
const LARGE_BYTES = 16 * 1024;
/** What the thread has not hashed yet, of one upload; then its source waits. */
const AHEAD_BYTES = 8 * 1024 * 1024;

/** A thread, and the uploads that are lost with it. */
interface Running {
  readonly worker: Worker;
  readonly uploads: Map<number, Upload>;
}

/**
 * Hashes and writes uploads in a thread of its own, all of them in one, so that the API answers meanwhile, and its
 * collector does not walk its whole heap for the sake of chunks that pass through. The thread begins with the first
 * upload and ends with `close`.
 */
export class UploadThread {
  private running: Running | undefined;
  private begun = 0;

  /** @param worker the compiled upload-worker.js: threads load no TypeScript. */
  constructor(private readonly worker: URL) {}

  /**
   * Writes a file, or writes it anew, and syncs it. The chunks of the source belong to this from then on. On failure
   * the file may be there, closed.
   * @throws what the source threw, or what kept the bytes from the disk.
   */
  async write(path: string, source: AsyncIterable<Uint8Array>): Promise<Written> {
    const { worker, uploads } = (this.running ??= this.start());
    const id = (this.begun += 1);
    const upload = new Upload(id, (message, transfer) => worker.postMessage(message, transfer));
    uploads.set(id, upload);
    worker.ref();
    try {
      upload.begin(path);
      for await (const chunk of source) await upload.write(chunk);
      return await upload.end();
    } catch (error) {
      await upload.abort();
      throw error;
    } finally {
      uploads.delete(id);
      if (uploads.size === 0) worker.unref();
    }
  }

  async close(): Promise<void> {
    await this.running?.worker.terminate();
  }

  private start(): Running {
    const running: Running = { worker: new Worker(this.worker), uploads: new Map() };
    running.worker.on('message', (message: FromWriter) => {
      const upload = running.uploads.get(message.id);
      if (message.said === 'taken') upload?.acknowledge(message.bytes);
      else upload?.ended(message.outcome);
    });
    let why = 'it was ended';
    running.worker.on('error', (error) => (why = error.message));
    // Only now are its files closed. The next upload begins another one.
    running.worker.once('exit', () => {
      if (this.running === running) this.running = undefined;
      for (const upload of running.uploads.values())
        upload.ended({ message: `the thread that writes uploads is gone: ${why}`, code: undefined });
    });
    return running;
  }
}

type Post = (message: ToWriter, transfer: ArrayBuffer[]) => void;

class Upload {
  private batch: Uint8Array<ArrayBuffer>[] = [];
  private batchBytes = 0;
  /** Small chunks, one after the other, until it is full or a large one comes. */
  private gathered: Uint8Array<ArrayBuffer> | undefined;
  private gatheredBytes = 0;
  private ahead = 0;
  private outcome: Outcome | undefined;
  private wake: () => void = () => undefined;

  constructor(
    private readonly id: number,
    private readonly post: Post,
  ) {}

  begin(path: string): void {
    this.post({ tell: 'begin', id: this.id, path }, []);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (isOwned(chunk) && chunk.length >= LARGE_BYTES) {
      this.closeGathered();
      this.batch.push(chunk);
      this.batchBytes += chunk.length;
      if (this.batchBytes >= BATCH_BYTES) this.send();
    } else {
      this.gather(chunk);
    }
    await this.until(() => this.ahead <= AHEAD_BYTES);
    this.assertUnfailed();
  }

  async end(): Promise<Written> {
    this.closeGathered();
    this.send();
    this.post({ tell: 'end', id: this.id }, []);
    await this.until(() => false);
    this.assertUnfailed();
    return this.outcome as Written;
  }

  async abort(): Promise<void> {
    if (this.outcome === undefined) this.post({ tell: 'abort', id: this.id }, []);
    await this.until(() => false);
  }

  acknowledge(bytes: number): void {
    this.ahead -= bytes;
    this.wake();
  }

  ended(outcome: Outcome): void {
    this.outcome ??= outcome;
    this.wake();
  }

  private gather(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      this.gathered ??= new Uint8Array(BATCH_BYTES);
      const part = chunk.subarray(at, at + BATCH_BYTES - this.gatheredBytes);
      this.gathered.set(part, this.gatheredBytes);
      this.gatheredBytes += part.length;
      at += part.length;
      if (this.gatheredBytes < BATCH_BYTES) continue;
      this.closeGathered();
      this.send();
    }
  }

  private closeGathered(): void {
    if (this.gathered === undefined) return;
    this.batch.push(this.gathered.subarray(0, this.gatheredBytes));
    this.batchBytes += this.gatheredBytes;
    this.gathered = undefined;
    this.gatheredBytes = 0;
  }

  private send(): void {
    if (this.batchBytes === 0) return;
    this.post(
      { tell: 'bytes', id: this.id, chunks: this.batch },
      this.batch.map(({ buffer }) => buffer),
    );
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
    throw Object.assign(
      new Error(this.outcome.message),
      this.outcome.code === undefined ? {} : { code: this.outcome.code },
    );
  }
}

/** Only a whole buffer can be handed over: of a part, others may hold the rest (the head of a request, Node's pool). */
function isOwned(chunk: Uint8Array): chunk is Uint8Array<ArrayBuffer> {
  return chunk.buffer instanceof ArrayBuffer && chunk.buffer.byteLength === chunk.byteLength;
}
