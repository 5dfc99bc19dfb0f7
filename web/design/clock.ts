import { useSyncExternalStore } from 'react';

/** In which zone times are shown. */
export type Zone = 'local' | 'utc';

const KEPT = 'slipway.zone';
const listeners = new Set<() => void>();
let zone: Zone = localStorage.getItem(KEPT) === 'utc' ? 'utc' : 'local';

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The zone that was chosen; it is kept in this browser. */
export function useZone(): Zone {
  return useSyncExternalStore(subscribe, () => zone);
}

/** Chooses the zone, for all times on all pages. */
export function chooseZone(next: Zone): void {
  zone = next;
  localStorage.setItem(KEPT, next);
  for (const listener of [...listeners]) listener();
}

const forms = new Map<string, Intl.DateTimeFormat>();
function form(of: Zone): Intl.DateTimeFormat {
  const found = forms.get(of);
  if (found) return found;
  const made = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
    hourCycle: 'h23',
    ...(of === 'utc' ? { timeZone: 'UTC' } : {}),
  });
  forms.set(of, made);
  return made;
}

/** `2026-11-30 23:42:33 UTC`: it sorts, nothing of it can be misread, and it names its zone. */
export function printTime(at: Date, of: Zone): string {
  const parts = Object.fromEntries(
    form(of)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  return `${parts['year']}-${parts['month']}-${parts['day']} ${parts['hour']}:${parts['minute']}:${parts['second']} ${parts['timeZoneName']}`;
}

/** The name of the zone of this browser. */
export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

let second = Math.floor(Date.now() / 1_000);
const tickers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function onTick(listener: () => void): () => void {
  tickers.add(listener);
  timer ??= setInterval(() => {
    second = Math.floor(Date.now() / 1_000);
    for (const one of [...tickers]) one();
  }, 1_000);
  return () => {
    tickers.delete(listener);
    if (tickers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Now, in epoch milliseconds, once a second: one clock for all that count on a page. */
export function useNow(): number {
  return useSyncExternalStore(onTick, () => second) * 1_000;
}

const UNITS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** A span in its two largest units: `3 h 12 min`. @param ms milliseconds, 0 or more */
export function printSpan(ms: number): string {
  const first = UNITS.findIndex(([unit]) => ms >= unit);
  if (first < 0) return '0 s';
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, name] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.join(' ');
}
