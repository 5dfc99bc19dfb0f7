import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Icon } from '../design/icon.js';
import { Skeleton } from '../design/notice.js';
import { Toast } from '../design/toast.js';
import { keepFresh } from '../live/fresh.js';
import { useMe, useSession } from '../service/queries.js';
import { Away } from './away.js';
import { PLACES } from './places.js';
import { SignedOut } from './signed-out.js';
import { SignIn } from './sign-in.js';
import { Self } from './self.js';

/** What stands around every page: navigation, who is signed in, and what concerns all of them. */
export function Frame(): ReactNode {
  const session = useSession();
  const token = session.state === 'in' ? session.token : undefined;
  useEffect(() => {
    if (token === undefined) return;
    const end = keepFresh(token);
    return end;
  }, [token]);

  if (session.state === 'starting') return <div className="alone" aria-busy="true" />;
  if (session.state === 'none') return <SignIn because={session.because} />;
  return (
    <div className="frame">
      <a className="skip" href="#page">
        Skip to the page
      </a>
      <Side />
      <div className="main">
        <Away />
        <main id="page" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      {session.state === 'expired' ? <SignedOut session={session} /> : null}
      <Toast />
    </div>
  );
}

function Side(): ReactNode {
  const [open, setOpen] = useState(false);
  const { pathname } = useLocation();
  const button = useRef<HTMLButtonElement>(null);
  const held = useMe()?.permissions ?? [];
  useEffect(() => setOpen(false), [pathname]);
  return (
    <header
      className={`side${open ? ' open' : ''}`}
      onKeyDown={({ key }) => {
        if (key !== 'Escape' || !open) return;
        setOpen(false);
        button.current?.focus();
      }}
    >
      <div className="side-head">
        <Link to="/" className="brand">
          <img src="/icon.svg" width="24" height="24" alt="" />
          Slipway
        </Link>
        <button
          ref={button}
          type="button"
          className="icon-button side-button"
          aria-expanded={open}
          aria-controls="side"
          aria-label={open ? 'Close the navigation' : 'Open the navigation'}
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? 'close' : 'menu'} />
        </button>
      </div>
      <div className="side-body" id="side">
        <nav aria-label="Pages">
          <ul>
            {PLACES.filter(({ needs }) => needs === undefined || held.includes(needs)).map(({ to, words }) => (
              <li key={to}>
                <Link
                  to={to}
                  activeOptions={{ exact: to === '/', includeSearch: false }}
                  activeProps={{ 'aria-current': 'page' }}
                >
                  {words}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <Self />
      </div>
    </header>
  );
}

/** While the code of a page is on its way. */
export function PageOnItsWay(): ReactNode {
  return <Skeleton lines={6} />;
}
