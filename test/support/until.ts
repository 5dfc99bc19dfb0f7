import { setTimeout as sleep } from 'node:timers/promises';

type Looked<T> = T | undefined | null | false;

/** Looks every 25 ms until there is something to see. @throws with `what`, and what was seen or thrown last. */
export async function until<T>(
  what: string,
  look: () => Looked<T> | Promise<Looked<T>>,
  withinMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== null && found !== false) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`not within ${withinMs} ms: ${what} (last: ${String(last)})`, { cause: last });
    await sleep(25);
  }
}
