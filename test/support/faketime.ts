import { existsSync, readdirSync } from 'node:fs';

/** Debian's faketime, for processes with threads. */
const LIBRARY = readdirSync('/usr/lib')
  .map((folder) => `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));

/**
 * A wall clock of its own for a process and whatever it starts; its monotonic clock stays the machine's.
 * @param file says how far the clock is from the right one, as `clockOffset` writes it; may change at any time
 * @returns variables of the process
 * @throws with the command that installs what is missing
 */
export function fakedClock(file: string): Record<string, string> {
  if (LIBRARY === undefined)
    throw new Error('faketime is missing, and the tests install nothing. Run as root: .ci/install debian');
  return {
    LD_PRELOAD: LIBRARY,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // Else each stat(2) takes a semaphore that a process keeps when it is killed there, and its relatives wait for it.
    NO_FAKE_STAT: '1',
  };
}

/** @param seconds negative = the clock is behind */
export function clockOffset(seconds: number): string {
  return `${seconds < 0 ? '' : '+'}${seconds}`;
}
