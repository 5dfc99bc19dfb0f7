import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AuthorityFile } from '../../adapters/authority/file.js';
import { createPrivateFile, readFileIfAny } from './private-file.js';

/** The device authority in a file of mode 0600; every API and the embedded broker use the same. */
export function authorityFile(path: string): AuthorityFile {
  return {
    read: () => readFileIfAny(path),
    create(text) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return createPrivateFile(path, text);
    },
  };
}
