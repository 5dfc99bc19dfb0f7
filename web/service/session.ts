import { askOtherTabs, handTo, type Handed, type SignInKind } from './handover.js';

/**
 * Who this tab is to the service. `expired`: the token works no longer, and the page below stays as it is, with its
 * forms, until the operator signs in again.
 */
export type Session =
  | { readonly state: 'starting' }
  /** `because`: why a sign-in did not work. */
  | { readonly state: 'none'; readonly because?: string }
  | { readonly state: 'in'; readonly token: string; readonly kind: SignInKind; readonly kept: boolean }
  | { readonly state: 'expired'; readonly kind: SignInKind; readonly because: string };

/** The name in the tab's storage of a key that is to survive a reload. Tokens of an identity provider never do. */
const KEPT = 'slipway.key';

let session: Session = { state: 'starting' };
const listeners = new Set<() => void>();

/** The session now. */
export function currentSession(): Session {
  return session;
}

/** Calls `listener` after each change. @returns the function that ends it */
export function onSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function become(next: Session): void {
  session = next;
  for (const listener of [...listeners]) listener();
}

/** Finds a session that is there already: in this tab's storage, or in another tab of this browser. */
export async function resume(): Promise<void> {
  const token = sessionStorage.getItem(KEPT);
  if (token !== null) return become({ state: 'in', token, kind: 'key', kept: true });
  const handed = await askOtherTabs();
  if (session.state !== 'starting') return;
  if (handed) enter(handed);
  else become({ state: 'none' });
}

/** Signs in. With `kept`, the key survives a reload of this tab, until the tab is closed. */
export function enter({ token, kind, kept }: Handed): void {
  if (kept && kind === 'key') sessionStorage.setItem(KEPT, token);
  else sessionStorage.removeItem(KEPT);
  become({ state: 'in', token, kind, kept: kept && kind === 'key' });
}

/** The service refused the token. @param token the one that was refused: an answer to an older one changes nothing */
export function expire(token: string, because: string): void {
  if (session.state !== 'in' || session.token !== token) return;
  sessionStorage.removeItem(KEPT);
  become({ state: 'expired', kind: session.kind, because });
}

/** This tab is not signed in. @param because why a sign-in did not work */
export function none(because?: string): void {
  become({ state: 'none', ...(because === undefined ? {} : { because }) });
}

/** Signs out, here only: other tabs stay as they are. */
export function leave(): void {
  sessionStorage.removeItem(KEPT);
  become({ state: 'none' });
}

handTo({
  current: () =>
    session.state === 'in' ? { token: session.token, kind: session.kind, kept: session.kept } : undefined,
  take(handed) {
    if (session.state === 'expired') return enter(handed);
    // The next token of an identity provider, which one tab asks for.
    if (session.state === 'in' && session.kind === 'oidc' && handed.kind === 'oidc' && session.token !== handed.token)
      enter(handed);
  },
});
