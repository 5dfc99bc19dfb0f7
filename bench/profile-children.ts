import { mkdirSync } from 'node:fs';
import { FOLDER_VARIABLE } from './profile.js';

/** Every node process that is started from now on profiles itself. NODE_OPTIONS of Node 20 does not take --cpu-prof. */
export function profileInto(folder: string): void {
  mkdirSync(folder, { recursive: true });
  process.env[FOLDER_VARIABLE] = folder;
  process.env['NODE_OPTIONS'] = [
    process.env['NODE_OPTIONS'],
    `--import=${new URL('./profile.js', import.meta.url).href}`,
  ]
    .filter(Boolean)
    .join(' ');
}
