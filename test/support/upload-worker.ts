/**
 * The compiled thread that hashes and writes large uploads: tests run on the sources, and threads load no TypeScript.
 */
export const UPLOAD_WORKER = new URL('../../dist/adapters/blobs/upload-worker.js', import.meta.url);
/** Likewise the one that makes SHA-1 and MD5. */
export const OLD_HASH_WORKER = new URL('../../dist/adapters/blobs/old-hash-worker.js', import.meta.url);
