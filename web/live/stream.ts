import type { HistoryEvent } from '../service/types.js';

/** What a stream tells its tabs. */
export type News =
  | { readonly say: 'events'; readonly events: readonly HistoryEvent[] }
  /** It is open: nothing that happens from now on is missed. `resumed`: nothing was missed since the last event. */
  | { readonly say: 'open'; readonly resumed: boolean }
  /** The service does not answer; it is asked again each second. */
  | { readonly say: 'away' }
  /** The service refused the stream: 401 for the token, 403 for a permission. */
  | { readonly say: 'refused'; readonly status: number };

/** Within two seconds a page must say that the service is away: one try is enough, and the next follows soon. */
const AGAIN_MS = 1_000;
/** The service sends a sign of life each 15 s; a connection that is silent for longer is dead. */
const SILENT_MS = 40_000;
/** Events that came in between are told together. */
const TOGETHER_MS = 100;

/**
 * Reads `/v1/events` with the Authorization header, which EventSource cannot send, and goes on after each break with
 * the last id. Ends with the signal, and when the service refuses the token.
 */
export async function readStream(token: string, signal: AbortSignal, tell: (news: News) => void): Promise<void> {
  let lastId: string | undefined;
  while (!signal.aborted) {
    const heard = new AbortController();
    const stop = (): void => heard.abort();
    signal.addEventListener('abort', stop);
    let silence = setTimeout(stop, SILENT_MS);
    try {
      const response = await fetch('/v1/events', {
        headers: {
          Accept: 'text/event-stream',
          Authorization: `Bearer ${token}`,
          ...(lastId === undefined ? {} : { 'Last-Event-ID': lastId }),
        },
        cache: 'no-store',
        signal: heard.signal,
      });
      if (response.status === 401 || response.status === 403) return tell({ say: 'refused', status: response.status });
      if (response.ok && response.body) {
        tell({ say: 'open', resumed: lastId !== undefined });
        const batch = batches(tell);
        for await (const frame of frames(response.body)) {
          clearTimeout(silence);
          silence = setTimeout(stop, SILENT_MS);
          if (frame.id === undefined) continue;
          lastId = frame.id;
          batch(JSON.parse(frame.data) as HistoryEvent);
        }
        // It ended as each stream does after a while: the next one begins at once, with the last id.
        continue;
      }
      tell({ say: 'away' });
    } catch (error) {
      if (!isBroken(error)) throw error;
      if (!signal.aborted) tell({ say: 'away' });
    } finally {
      clearTimeout(silence);
      signal.removeEventListener('abort', stop);
    }
    await pause(AGAIN_MS, signal);
  }
}

/** A connection that broke, or was ended from here. */
function isBroken(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof DOMException && error.name === 'AbortError');
}

function batches(tell: (news: News) => void): (event: HistoryEvent) => void {
  let waiting: HistoryEvent[] = [];
  return (event) => {
    if (waiting.push(event) > 1) return;
    setTimeout(() => {
      tell({ say: 'events', events: waiting });
      waiting = [];
    }, TOGETHER_MS);
  };
}

interface Frame {
  id: string | undefined;
  data: string;
}

/** WHATWG HTML, "Server-sent events": the part of it that this service sends. A comment is a frame without an id. */
async function* frames(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Frame> {
  let rest = '';
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split('\n\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const members = new Map(
        part
          .split('\n')
          .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      yield { id: members.get('id'), data: members.get('data') ?? '' };
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
