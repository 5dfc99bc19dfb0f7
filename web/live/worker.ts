/// <reference lib="webworker" />
import { readStream, type News } from './stream.js';

/**
 * One event stream for all tabs of a browser: it allows six connections to a host over HTTP/1.1, and a stream holds one
 * for as long as it runs. Tabs with the same token share one; it ends when the last of them is gone.
 */
interface Shared {
  readonly ports: Map<MessagePort, number>;
  readonly end: AbortController;
  /** What a tab that joins has to know. */
  last: News | undefined;
}

/** What a tab says: which token it has, that it is there, that it goes. */
export type FromTab =
  { readonly say: 'listen'; readonly token: string } | { readonly say: 'here' } | { readonly say: 'bye' };

/** A tab says that it is there each 30 s, in the background once a minute; one that crashed says nothing. */
const GONE_MS = 200_000;

const streams = new Map<string, Shared>();

function listen(port: MessagePort, token: string): void {
  leave(port);
  let shared = streams.get(token);
  if (!shared) {
    const made: Shared = { ports: new Map(), end: new AbortController(), last: undefined };
    shared = made;
    streams.set(token, made);
    void readStream(token, made.end.signal, (news) => {
      if (news.say !== 'events') made.last = news;
      for (const one of made.ports.keys()) one.postMessage(news);
      if (news.say === 'refused') streams.delete(token);
    });
  } else if (shared.last) port.postMessage(shared.last);
  shared.ports.set(port, performance.now());
}

function leave(port: MessagePort): void {
  for (const [token, { ports, end }] of streams) {
    if (!ports.delete(port) || ports.size > 0) continue;
    end.abort();
    streams.delete(token);
  }
}

function sweep(): void {
  for (const { ports } of streams.values())
    for (const [port, at] of ports) if (at < performance.now() - GONE_MS) leave(port);
}

function connect({ ports: [port] }: MessageEvent): void {
  if (!port) return;
  port.onmessage = ({ data }: MessageEvent<FromTab>) => {
    if (data.say === 'listen') return listen(port, data.token);
    if (data.say === 'bye') return leave(port);
    for (const { ports } of streams.values()) if (ports.has(port)) ports.set(port, performance.now());
  };
  port.start();
}

self.addEventListener('connect', (event) => connect(event as MessageEvent));
setInterval(sweep, 60_000);
