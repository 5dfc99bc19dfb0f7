import { readFileSync } from 'node:fs';

/**
 * Loaded before the agent (`node --import`): the wall clock that the agent sees is as many seconds from the right one
 * as the file in MOVED_CLOCK says, at each look. The monotonic clock stays the machine's. It is the agent's alone: what
 * it starts sees the right time, and has no use for another.
 *
 * libfaketime 0.9.10 did this before, and does not hold over hundreds of rounds. It shares a semaphore between a process
 * and all that it starts, and takes it at each stat(2) and at each start. Who is killed there keeps it: of 342 that
 * killed processes had left in /dev/shm, one was taken, and whatever starts with such a one waits for ever before its
 * first line of code. The shorter test/agent/faketime.test.ts has faketime, without that of stat(2).
 */
const FILE = process.env['MOVED_CLOCK'];
if (FILE === undefined) throw new Error('MOVED_CLOCK says which file tells the clock');

const RightDate = Date;
const movedNow = (): number => RightDate.now() + Number(readFileSync(FILE, 'utf8')) * 1_000;

globalThis.Date = new Proxy(RightDate, {
  get: (target, key, receiver): unknown => (key === 'now' ? movedNow : Reflect.get(target, key, receiver)),
  construct: (target, given: unknown[], newTarget): Date =>
    Reflect.construct(target, given.length === 0 ? [movedNow()] : given, newTarget) as Date,
  apply: () => new RightDate(movedNow()).toString(),
});
