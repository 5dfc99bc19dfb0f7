import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf, isDiskFull, makeFolder } from './write-file.js';

/** An agent that was killed at this moment lets go of its lock when the system has taken it away. */
const TRIES = 5;
const AGAIN_MS = 200;

/** Held until the process ends: what is not referred to would be closed. */
const held = new Set<FileHandle | Server>();

/**
 * Makes this process the only agent on a state folder. The lock is the system's (flock(2)) on an open file, so that it
 * ends with the process, however that ends, and holds between containers that share the folder. Node.js has no call for
 * it: `flock` locks the file that it inherits from us, and the lock stays with the file when it has ended. Where there
 * is no `flock`, an abstract socket with the folder's number is the lock; it does not reach into other network
 * namespaces.
 * @throws with a sentence where another agent has it
 */
export async function lockState(stateDir: string): Promise<void> {
  await makeFolder(stateDir, true);
  const file = await open(join(stateDir, 'lock'), 'a+', 0o600);
  for (let tries = 1; !(await isTaken(file, stateDir)); tries += 1) {
    if (tries >= TRIES) {
      const holder = (await file.readFile('utf8')).trim();
      await file.close();
      throw new Error(
        `${stateDir} is in use by another agent${holder === '' ? '' : ` (process ${holder})`}: one device has one agent`,
      );
    }
    await pause(AGAIN_MS);
  }
  held.add(file);
  try {
    await file.truncate(0);
    await file.writeFile(`${process.pid}\n`);
  } catch (error) {
    if (!isDiskFull(error)) throw error; // the number is only for the sentence above
  }
}

async function isTaken(file: FileHandle, stateDir: string): Promise<boolean> {
  const child = spawn('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', file.fd] });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code === 0 || code === 1) return code === 0;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  return isBound(stateDir);
}

async function isBound(stateDir: string): Promise<boolean> {
  const { dev, ino } = await stat(stateDir);
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(`\0slipway-agent-${dev}-${ino}`);
    await once(server, 'listening');
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return false;
    throw error;
  }
  server.unref();
  held.add(server);
  return true;
}
