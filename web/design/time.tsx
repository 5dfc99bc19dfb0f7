import type { ReactNode } from 'react';
import { printSpan, printTime, useNow, useZone } from './clock.js';

/** A moment with its zone. The title has it in the other zone. @param at RFC 3339 */
export function Time({ at }: { readonly at: string }): ReactNode {
  const zone = useZone();
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  return (
    <time dateTime={at} title={printTime(date, zone === 'utc' ? 'local' : 'utc')}>
      {printTime(date, zone)}
    </time>
  );
}

/** How long ago, as it goes on: for what is news. The title has the moment. @param at RFC 3339 */
export function Ago({ at }: { readonly at: string }): ReactNode {
  const zone = useZone();
  const now = useNow();
  const since = now - Date.parse(at);
  return (
    <time dateTime={at} title={printTime(new Date(at), zone)}>
      {since < 1_000 ? 'now' : `${printSpan(since)} ago`}
    </time>
  );
}

/** How much time is left until then. @param at RFC 3339 */
export function Left({ at }: { readonly at: string }): ReactNode {
  const zone = useZone();
  const left = Date.parse(at) - useNow();
  return (
    <time dateTime={at} title={printTime(new Date(at), zone)}>
      {left > 0 ? `${printSpan(left)} left` : 'due now'}
    </time>
  );
}

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g;

/** A sentence of the service, as it is; only its times are printed in the chosen zone. */
export function Sentence({ text }: { readonly text: string }): ReactNode {
  const parts: ReactNode[] = [];
  let from = 0;
  for (const found of text.matchAll(TIME)) {
    parts.push(text.slice(from, found.index), <Time key={found.index} at={found[0]} />);
    from = found.index + found[0].length;
  }
  return (
    <>
      {parts}
      {text.slice(from)}
    </>
  );
}
