/**
 * What the API's thread tells the one that hashes and writes, in this order for each upload: begin, bytes, and one of
 * the others.
 */
export type ToWriter =
  | { readonly tell: 'begin'; readonly id: number; readonly path: string }
  | { readonly tell: 'bytes'; readonly id: number; readonly chunks: readonly Uint8Array[] }
  | { readonly tell: 'end'; readonly id: number }
  | { readonly tell: 'abort'; readonly id: number };

/** What it answers: `ended` exactly once for each upload, when its file is closed. */
export type FromWriter =
  | { readonly said: 'taken'; readonly id: number; readonly bytes: number }
  | { readonly said: 'ended'; readonly id: number; readonly outcome: Outcome };

/** What the thread answers for each upload. */
export type Outcome = Written | Unwritten;

/** The bytes are stored. `sha256` is lower-case hex, `size` bytes. */
export interface Written {
  readonly sha256: string;
  readonly size: number;
}

/** Errors lose their code on the way between threads. */
export interface Unwritten {
  readonly message: string;
  readonly code: string | undefined;
}
