import { Worker } from 'node:worker_threads';
import { defined } from '../../domain/defined.js';
import type { FromHasher, ToHasher } from './old-hash-messages.js';
import type { OldHashes, OldHashing, OldHashMaker } from './port.js';

/** Of one message. */
const BATCH_BYTES = 256 * 1024;
/** What the thread has not hashed yet, of one content: 20 ms of its work where it has a core. */
const AHEAD_BYTES = 8 * 1024 * 1024;
/** Buffers that are kept for the next batches. */
const MOST_SPARE = AHEAD_BYTES / BATCH_BYTES;

/**
 * SHA-1 and MD5 in a thread of the lowest priority. On a machine whose cores are all at work, such as one that is
 * uploaded to by itself, it falls behind; then what it has is given up, and the bytes are read again afterwards:
 * holding them would take as much memory as an upload is large, and waiting would slow it (docs/decisions/0023). It
 * begins with the first content, and ends with `close`.
 */
export class OldHashThread implements OldHashMaker {
  private worker: Worker | undefined;
  private readonly contents = new Map<number, Content>();
  /** Batches that came back: filled again, so that neither thread makes garbage as large as an upload. */
  private readonly spare: ArrayBuffer[] = [];
  private begun = 0;

  /** @param path the compiled old-hash-worker.js: threads load no TypeScript */
  constructor(private readonly path: URL = new URL('./old-hash-worker.js', import.meta.url)) {}

  begin(): OldHashing {
    return this.add();
  }

  async of(bytes: AsyncIterable<Uint8Array>): Promise<OldHashes> {
    const content = this.add();
    try {
      for await (const chunk of bytes) {
        content.put(chunk);
        await content.room();
      }
      return defined(await content.end(), 'what waits for room never gives up');
    } catch (error) {
      content.abort();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private add(): Content {
    const worker = (this.worker ??= this.start());
    const id = (this.begun += 1);
    const content = new Content(
      (message, transfer) => worker.postMessage(message, transfer),
      id,
      () => new Uint8Array(this.spare.pop() ?? new ArrayBuffer(BATCH_BYTES)),
      () => {
        this.contents.delete(id);
        if (this.contents.size === 0) worker.unref();
      },
    );
    this.contents.set(id, content);
    worker.ref();
    return content;
  }

  private start(): Worker {
    const worker = new Worker(this.path);
    worker.on('message', (message: FromHasher) => {
      if (message.said === 'taken' && this.spare.length < MOST_SPARE) this.spare.push(message.buffer);
      this.contents.get(message.id)?.hear(message);
    });
    let why = new Error('the thread that makes SHA-1 and MD5 was ended');
    worker.on('error', (error) => (why = error));
    worker.once('exit', () => {
      if (this.worker === worker) this.worker = undefined;
      for (const content of [...this.contents.values()]) content.fail(why);
    });
    return worker;
  }
}

type Post = (message: ToHasher, transfer: ArrayBuffer[]) => void;

class Content implements OldHashing {
  private batch: Uint8Array<ArrayBuffer>;
  private filled = 0;
  private ahead = 0;
  private state: 'taking' | 'ending' | 'over' = 'taking';
  private failure: Error | undefined;
  private wake: () => void = () => undefined;
  private made: OldHashes | undefined;

  constructor(
    private readonly post: Post,
    private readonly id: number,
    private readonly empty: () => Uint8Array<ArrayBuffer>,
    private readonly isOver: () => void,
  ) {
    this.batch = empty();
  }

  take(bytes: Uint8Array): void {
    if (this.state !== 'taking') return;
    if (this.ahead > AHEAD_BYTES) this.giveUp();
    else this.put(bytes);
  }

  put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + BATCH_BYTES - this.filled);
      this.batch.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === BATCH_BYTES) this.send();
    }
  }

  room(): Promise<void> {
    return this.until(() => this.ahead <= AHEAD_BYTES);
  }

  async end(): Promise<OldHashes | undefined> {
    if (this.state !== 'taking') return undefined;
    this.state = 'ending';
    this.send();
    this.post({ tell: 'end', id: this.id }, []);
    try {
      await this.until(() => this.made !== undefined);
      return this.made;
    } finally {
      this.leave();
    }
  }

  abort(): void {
    if (this.state === 'taking') this.giveUp();
  }

  hear(message: FromHasher): void {
    if (message.said === 'taken') this.ahead -= message.bytes;
    else this.made = { sha1: message.sha1, md5: message.md5 };
    this.wake();
  }

  fail(error: Error): void {
    this.failure = error;
    this.leave();
    this.wake();
  }

  private giveUp(): void {
    this.post({ tell: 'forget', id: this.id }, []);
    this.leave();
  }

  private leave(): void {
    this.state = 'over';
    this.batch = new Uint8Array(0);
    this.isOver();
  }

  private send(): void {
    if (this.filled === 0) return;
    const bytes = this.batch.subarray(0, this.filled);
    this.post({ tell: 'bytes', id: this.id, bytes }, [bytes.buffer]);
    this.ahead += this.filled;
    [this.batch, this.filled] = [this.empty(), 0];
  }

  private async until(isTrue: () => boolean): Promise<void> {
    while (this.failure === undefined && !isTrue()) await new Promise<void>((resolve) => (this.wake = resolve));
    if (this.failure !== undefined) throw this.failure;
  }
}
