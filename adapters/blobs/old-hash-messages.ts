/** What the API's thread tells the one that makes SHA-1 and MD5: for each content bytes, then one of the others. */
export type ToHasher =
  | { readonly tell: 'bytes'; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly tell: 'end'; readonly id: number }
  | { readonly tell: 'forget'; readonly id: number };

/**
 * What it answers: `taken` gives the buffer of a batch back, to be filled again; `made` comes once for each that was
 * ended. Hashes are lower-case hex.
 */
export type FromHasher =
  | { readonly said: 'taken'; readonly id: number; readonly bytes: number; readonly buffer: ArrayBuffer }
  | { readonly said: 'made'; readonly id: number; readonly sha1: string; readonly md5: string };
