import { setTimeout as sleep } from 'node:timers/promises';

const STEP_MS = 20;
/** Three times what jest's reporters take to write what they gathered. */
const OWN_TIMERS_MS = 300;

/**
 * What keeps this process alive at the beginning of a suite: handles by identity, and how many timers. Node offers the handles themselves only
 * under an old name with an underscore, and the list of kinds (`getActiveResourcesInfo`) counts what has no handle.
 */
export async function present() {
  // Where tests run in jest's own process, it has timers of its own, which soon fire: counted, they would hide others.
  const until = performance.now() + OWN_TIMERS_MS;
  while (timers() > 0 && performance.now() < until) await breathe();
  return { handles: new Set(process._getActiveHandles()), timers: timers() };
}

/**
 * What was opened since `before` and is still open after `graceMs`, each in words.
 *
 * @returns soon when nothing is open; the standard streams and what belongs to jest stood there before.
 */
export async function openSince(before, graceMs) {
  const until = performance.now() + graceMs;
  for (;;) {
    // Before the first look too: what was begun last has a handle only after a turn.
    await breathe();
    const open = process._getActiveHandles().filter((one) => !before.handles.has(one) && isHeld(one));
    const more = timers() - before.timers;
    const words = [...open.map(inWords), ...(more > 0 ? [`${more} timer${more > 1 ? 's' : ''}`] : [])];
    if (words.length === 0 || performance.now() >= until) return words;
  }
}

const breathe = () => sleep(STEP_MS);
/** Only those that hold the process; the pause above has fired when it is asked. */
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

/** A handle without `hasRef` holds the process. */
function isHeld(handle) {
  const inner = handle._handle ?? handle;
  return typeof inner.hasRef === 'function' ? inner.hasRef() : true;
}

function inWords(handle) {
  const name = handle.constructor?.name ?? 'handle';
  if (handle.spawnargs) return `the child process ${handle.pid} (${handle.spawnargs.join(' ').slice(0, 200)})`;
  if (typeof handle.address === 'function' && handle.listening !== undefined)
    return `a server on ${JSON.stringify(handle.address())}`;
  if (handle.remotePort)
    return `a connection from port ${handle.localPort} to ${handle.remoteAddress}:${handle.remotePort}`;
  return `a ${name}`;
}
