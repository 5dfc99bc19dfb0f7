import { writeSync } from 'node:fs';
import { codeOf } from '../core/write-file.js';

/** A pipe that is full for so many tries in a row has no reader. */
const TRIES = 20;

/**
 * Where the log goes. A line that cannot be written is lost, and nothing else: a full disk under it, a reader that has
 * gone, or a terminal that was closed ends no device. How many were lost is said once there is room again.
 */
export function standardError(): { write(line: string): void } {
  let lost = 0;
  return {
    write(line) {
      if (lost > 0 && written(`${JSON.stringify({ level: 40, time: Date.now(), lost, msg: 'log lines were lost' })}\n`))
        lost = 0;
      if (lost > 0 || !written(line)) lost += 1;
    },
  };
}

function written(line: string): boolean {
  const bytes = Buffer.from(line);
  for (let done = 0, tries = 0; done < bytes.length;) {
    try {
      done += writeSync(2, bytes, done);
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      if (codeOf(error) !== 'EAGAIN' || (tries += 1) > TRIES) return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // a reader that is slow
    }
  }
  return true;
}
