import { setTimeout as pause } from 'node:timers/promises';

/**
 * Hands out what has arrived, so that the slowest delays none of the others.
 * @param all an answer that fails is left out
 * @param patience between two portions, milliseconds; one comes at once where everything is there
 * @returns each in the order of `all`: the first portion also where it is empty, and then whatever comes until nothing
 * is missing
 */
export async function* asTheyCome<T>(all: readonly Promise<T>[], patience: number): AsyncGenerator<readonly T[]> {
  const arrived: { readonly index: number; readonly answer: T }[] = [];
  let missing = all.length;
  const everything = Promise.allSettled(
    all.map(async (one, index) => {
      try {
        arrived.push({ index, answer: await one });
      } finally {
        missing -= 1;
      }
    }),
  );
  do {
    const over = new AbortController();
    // An aborted pause is no error here.
    const patienceOver = pause(patience, undefined, { signal: over.signal, ref: false }).catch(() => undefined);
    await Promise.race([everything, patienceOver]);
    over.abort();
    const portion = arrived.splice(0).sort((a, b) => a.index - b.index);
    yield portion.map(({ answer }) => answer);
  } while (missing > 0 || arrived.length > 0);
}
