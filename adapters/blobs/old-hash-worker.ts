import { createHash, type Hash } from 'node:crypto';
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { defined } from '../../domain/defined.js';
import type { FromHasher, ToHasher } from './old-hash-messages.js';

/**
 * The thread that makes SHA-1 and MD5. It runs where nothing else wants the core: MD5 costs as much as all else of an
 * upload together. On Linux a priority is a thread's own; elsewhere it would be the process's.
 */
if (process.platform === 'linux') setPriority(0, constants.priority.PRIORITY_LOW);

const port = defined(parentPort, 'this module runs in a worker thread');
const say = (message: FromHasher, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
const contents = new Map<number, readonly [Hash, Hash]>();

function hashesOf(id: number): readonly [Hash, Hash] {
  const known = contents.get(id);
  if (known) return known;
  const made = [createHash('sha1'), createHash('md5')] as const;
  contents.set(id, made);
  return made;
}

port.on('message', (message: ToHasher) => {
  const { id } = message;
  switch (message.tell) {
    case 'bytes':
      for (const hash of hashesOf(id)) hash.update(message.bytes);
      return say({ said: 'taken', id, bytes: message.bytes.length, buffer: message.bytes.buffer }, [
        message.bytes.buffer,
      ]);
    case 'end': {
      const [sha1, md5] = hashesOf(id);
      contents.delete(id);
      return say({ said: 'made', id, sha1: sha1.digest('hex'), md5: md5.digest('hex') });
    }
    case 'forget':
      return void contents.delete(id);
  }
});
