/**
 * The compiled thread that hashes and writes large uploads: tests run on the sources, and threads load no TypeScript.
 */
export const UPLOAD_WORKER = new URL('../../dist/adapters/blobs/upload-worker.js', import.meta.url);
