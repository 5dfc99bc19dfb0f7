/** How this browser came in. */
export type SignInKind = 'key' | 'oidc';

/** A session as one tab gives it to another of the same browser. */
export interface Handed {
  readonly token: string;
  readonly kind: SignInKind;
  readonly kept: boolean;
}

type Message = { readonly say: 'ask' } | { readonly say: 'have'; readonly session: Handed };

/**
 * Tabs answer within some milliseconds; one that is signed out waits this long, once, before it shows its sign-in. A
 * link that is opened in a new tab works so, although no token is written anywhere.
 */
const ANSWER_MS = 150;

const channel = new BroadcastChannel('slipway-session');

/** @returns the session of another tab that is open; undefined where none is signed in */
export function askOtherTabs(): Promise<Handed | undefined> {
  return new Promise((resolve) => {
    const done = (session?: Handed): void => {
      clearTimeout(timer);
      channel.removeEventListener('message', hear);
      resolve(session);
    };
    const hear = ({ data }: MessageEvent<Message>): void => {
      if (data.say === 'have') done(data.session);
    };
    const timer = setTimeout(() => done(), ANSWER_MS);
    channel.addEventListener('message', hear);
    channel.postMessage({ say: 'ask' } satisfies Message);
  });
}

/** Answers other tabs from now on, and takes what they have where this one may use it. */
export function handTo(tab: { current(): Handed | undefined; take(session: Handed): void }): void {
  channel.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if (data.say === 'have') return tab.take(data.session);
    const session = tab.current();
    if (session) channel.postMessage({ say: 'have', session } satisfies Message);
  });
}

/** Gives a new session to the tabs whose own one has expired. */
export function offer(session: Handed): void {
  channel.postMessage({ say: 'have', session } satisfies Message);
}
