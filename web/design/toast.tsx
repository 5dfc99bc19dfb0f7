import { useSyncExternalStore, type ReactNode } from 'react';

/** Long enough to read a sentence twice. */
const SHOWN_MS = 6_000;

let text = '';
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

function show(next: string): void {
  text = next;
  for (const listener of [...listeners]) listener();
}

/** Says in a corner of the page, and to screen readers, that something was done. Faults stand where they belong. */
export function say(sentence: string): void {
  clearTimeout(timer);
  show(sentence);
  timer = setTimeout(() => show(''), SHOWN_MS);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Where it is said; one on the page. */
export function Toast(): ReactNode {
  const said = useSyncExternalStore(subscribe, () => text);
  return (
    <div className="toast" role="status">
      {said}
    </div>
  );
}
