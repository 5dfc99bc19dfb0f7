import { useEffect, type ReactNode } from 'react';
import { Notice } from '../design/notice.js';
import { Away } from './away.js';
import { WaysIn } from './ways-in.js';

/** The page of a browser that is not signed in. The address stays, so that a link leads where it should afterwards. */
export function SignIn({ because }: { readonly because?: string | undefined }): ReactNode {
  useEffect(() => {
    document.title = 'Sign in · Slipway';
  }, []);
  return (
    <main className="alone">
      <div className="sheet sign-in stack">
        <div className="brand">
          <img src="/icon.svg" width="32" height="32" alt="" />
          Slipway
        </div>
        <h1>Sign in</h1>
        <Away />
        {because === undefined ? null : (
          <Notice title="The sign-in did not work" bad>
            <p>{because}</p>
          </Notice>
        )}
        <WaysIn inPlace={false} />
      </div>
    </main>
  );
}
