import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import { blobContract } from './blobs.js';

blobContract('a disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-blobs-'));
  const blobs = await openDiskBlobs(join(folder, 'blobs'));
  return {
    blobs,
    unfinished: async () => (await readdir(join(folder, 'blobs', 'incoming'))).length,
    spoil: (sha256, bytes) => writeFile(join(folder, 'blobs', sha256.slice(0, 2), sha256), bytes),
    close: async () => {
      await blobs.close();
      await rm(folder, { recursive: true });
    },
  };
});
