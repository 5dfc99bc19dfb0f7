import workerUrl from './worker.ts?worker&url';
import { readStream, type News } from './stream.js';
import type { FromTab } from './worker.js';

/** A tab says that it is there; a tab in the background may do so only once a minute. */
const HERE_MS = 30_000;

/**
 * Listens to what happens, by the worker that all tabs share, or where the browser has none (Chrome on Android) by a
 * stream of this tab. @returns the function that ends it
 */
export function listenTo(token: string, tell: (news: News) => void): () => void {
  return 'SharedWorker' in globalThis ? listenShared(token, tell) : listenAlone(token, tell);
}

function listenAlone(token: string, tell: (news: News) => void): () => void {
  const end = new AbortController();
  void readStream(token, end.signal, tell);
  return () => end.abort();
}

function listenShared(token: string, tell: (news: News) => void): () => void {
  const { port } = new SharedWorker(scriptUrl(workerUrl) as string, { type: 'module', name: 'slipway-events' });
  const say = (message: FromTab): void => port.postMessage(message);
  const bye = (): void => say({ say: 'bye' });
  port.onmessage = ({ data }: MessageEvent<News>) => tell(data);
  say({ say: 'listen', token });
  const here = setInterval(() => say({ say: 'here' }), HERE_MS);
  const back = (event: PageTransitionEvent): void => {
    if (event.persisted) say({ say: 'listen', token });
  };
  addEventListener('pagehide', bye);
  addEventListener('pageshow', back);
  return () => {
    clearInterval(here);
    removeEventListener('pagehide', bye);
    removeEventListener('pageshow', back);
    bye();
    port.close();
  };
}

/** The one policy of trusted types that the content security policy names. */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): { createScriptURL(url: string): unknown };
}

/** Scripts come from this service's own files only. */
const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy('slipway', {
  createScriptURL(url) {
    if (!url.startsWith('/assets/')) throw new TypeError(`${url} is no script of the dashboard`);
    return url;
  },
});

function scriptUrl(url: string): unknown {
  return policy ? policy.createScriptURL(url) : url;
}
