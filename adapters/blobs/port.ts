import type { Readable } from 'node:stream';

/**
 * Where the bytes of firmware are, by the SHA-256 of their content (lower-case hex, 64 digits): the same bytes are one
 * blob, from whichever upload. Nothing here knows of firmware or tenants; who may read what, and what is still needed,
 * PostgreSQL says.
 */
export interface BlobStore {
  /**
   * Takes bytes of unknown length in constant memory and hashes them on the way. They count only once the answer is
   * committed. Where the source breaks off, nothing is left behind, and the source's own error is thrown. A chunk
   * belongs to the store once it is given.
   */
  receive(source: AsyncIterable<Uint8Array>): Promise<ReceivedBlob>;

  /** @returns undefined where there is no such blob. */
  stat(sha256: string): Promise<{ size: number } | undefined>;

  /**
   * The bytes, or a range of them. The caller reads or destroys the stream: an open file hangs on it. @returns
   * undefined where there is no such blob.
   */
  open(sha256: string, range?: ByteRange): Promise<Readable | undefined>;

  /** What is gone already is no error. A reader that has it open reads on to the end. */
  remove(sha256: string): Promise<void>;

  /**
   * A link that serves the blob without this service, for a limited time. undefined: this store has none, the service
   * serves the bytes itself.
   */
  link(sha256: string, options: LinkOptions): Promise<string | undefined>;

  /**
   * Asks whether the store can do its work now. @returns a sentence where it cannot, without addresses; undefined where
   * it can. May throw, and may take as long as the store lets it: the caller sets a deadline.
   */
  probe(): Promise<string | undefined>;

  /** @returns how many bytes are free where uploads are written; undefined where the store does not say. */
  room(): Promise<number | undefined>;

  /**
   * Removes what uploads left behind whose process died, if nothing was written to it for `olderThanMs`. @returns how
   * many.
   */
  sweep(olderThanMs: number): Promise<number>;

  /** What uploads that go on later have sent so far. */
  readonly pieces: Pieces;

  close(): Promise<void>;
}

/**
 * Bytes of uploads that are not complete, in pieces, each under a name of its own (a UUID). Which of them count, and in
 * which order, PostgreSQL says.
 */
export interface Pieces {
  /** After it the piece survives a power cut. A name is given once. */
  keep(name: string, bytes: Uint8Array): Promise<void>;

  /** @returns undefined where there is no such piece. The caller reads or destroys the stream. */
  open(name: string): Promise<Readable | undefined>;

  /** What is gone already is no error. */
  remove(name: string): Promise<void>;

  /** Removes what is older: a process that died may have written it for no upload. @returns how many. */
  sweep(olderThanMs: number): Promise<number>;
}

/**
 * Received and hashed, but not yet to be found under its address. The caller discards it in the end, in any
 * case.
 */
export interface ReceivedBlob {
  readonly sha256: string;
  readonly size: number;
  /**
   * After this the blob survives a power cut. Does nothing where the same bytes are there already, so it may be called
   * again until `discard`; what is there is read and hashed the first time, and replaced where it is damaged.
   */
  commit(): Promise<void>;
  /** Gives back the room of the upload; a blob that was committed stays. May be called again. */
  discard(): Promise<void>;
}

/** SHA-1 and MD5 of bytes, which hawkBit's devices compare. Lower-case hex. */
export interface OldHashes {
  readonly sha1: string;
  readonly md5: string;
}

/** Makes them where the processor has nothing else to do: no upload waits for them. */
export interface OldHashMaker {
  /** Of bytes that pass by. */
  begin(): OldHashing;
  /** Of all bytes of a source, as fast as it can. @throws what the source throws */
  of(bytes: AsyncIterable<Uint8Array>): Promise<OldHashes>;
  close(): Promise<void>;
}

/** Of one upload. Its owner ends or aborts it. */
export interface OldHashing {
  /** Copies the bytes. Where it has fallen behind too far it gives up: then the bytes must be read again. */
  take(bytes: Uint8Array): void;
  /** @returns undefined where it gave up */
  end(): Promise<OldHashes | undefined>;
  abort(): void;
}

/** Both ends count from 0 and are included, as in HTTP. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Of a signed link; the content headers are what the client is answered. */
export interface LinkOptions {
  expiresSeconds: number;
  contentType: string;
  contentDisposition: string;
}

/** The store itself does not answer, or refuses all that it is asked: no fault of what was asked. `cause` says more. */
export class BlobStoreAway extends Error {
  override readonly name = 'BlobStoreAway';
  constructor(cause: unknown) {
    super(`the blob store does not answer: ${(cause as Error).message}`, { cause });
  }
}

/** An address that is none would become a path: it is a mistake of the caller. */
export function assertSha256(text: string): void {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new TypeError(`"${text.slice(0, 80)}" is no SHA-256 in lower-case hex`);
}

/** Likewise a name that is no UUID. */
export function assertPieceName(name: string): void {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name))
    throw new TypeError(`"${name.slice(0, 80)}" is no UUID in lower-case hex`);
}
