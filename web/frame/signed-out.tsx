import type { ReactNode } from 'react';
import { Dialog } from '../design/dialog.js';
import { leave, type Session } from '../service/session.js';
import { WaysIn } from './ways-in.js';

/** Signs in again in place: the page behind stays, with what was typed. */
export function SignedOut({ session }: { readonly session: Extract<Session, { state: 'expired' }> }): ReactNode {
  return (
    <Dialog title="Sign in again">
      <p>{session.because} The page behind stays as it is, with what you typed.</p>
      <WaysIn inPlace />
      <div>
        <button type="button" className="button plain" onClick={() => leave()}>
          Leave the page
        </button>
      </div>
    </Dialog>
  );
}
