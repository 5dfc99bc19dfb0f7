/**
 * Calls `read` at most once in `ms` milliseconds, however many ask: those who come meanwhile share the answer, also
 * where it is an error. Anyone may ask for health and metrics, so that what an answer costs must not grow with the
 * number of those who ask.
 * @param ms counted from the end of a reading; 0 = only those who ask at the same time share
 */
export function keptFor<T>(ms: number, read: () => Promise<T>): () => Promise<T> {
  let kept: { readonly value: Promise<T>; until: number } | undefined;
  return () => {
    if (kept && performance.now() < kept.until) return kept.value;
    const reading = { value: read(), until: Infinity };
    kept = reading;
    const settled = () => void (reading.until = performance.now() + ms);
    reading.value.then(settled, settled);
    return reading.value;
  };
}
