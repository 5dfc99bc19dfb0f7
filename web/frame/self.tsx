import type { ReactNode } from 'react';
import { chooseZone, localZone, useZone } from '../design/clock.js';
import { useApi, useMe, useSession } from '../service/queries.js';
import { leave } from '../service/session.js';
import type { About, One } from '../service/types.js';

/** Who is signed in, in which zone times are shown, and where the rest is. */
export function Self(): ReactNode {
  const me = useMe();
  const session = useSession();
  const zone = useZone();
  const about = useApi<One<About>>('/v1/about').data?.data;
  return (
    <div className="self">
      <fieldset className="switch">
        <legend>Times</legend>
        <label title={localZone()}>
          <input type="radio" name="zone" checked={zone === 'local'} onChange={() => chooseZone('local')} />
          Local
        </label>
        <label>
          <input type="radio" name="zone" checked={zone === 'utc'} onChange={() => chooseZone('utc')} />
          UTC
        </label>
      </fieldset>
      {me ? (
        <div className="who">
          <div className="clip" title={`${me.actsAs}, tenant ${me.tenant}`}>
            <strong>{me.name}</strong>
          </div>
          <div className="small quiet clip">
            {me.roles.join(', ') || 'own permissions'} · {me.tenant}
          </div>
          <button
            type="button"
            className="button plain"
            title={session.state === 'in' && session.kept ? 'Forgets the key of this tab' : undefined}
            onClick={() => leave()}
          >
            Sign out
          </button>
        </div>
      ) : null}
      <div className="small quiet">
        <a href="/docs/">API</a>
        {about?.links.temporalUi === undefined ? null : (
          <>
            {' · '}
            <a href={about.links.temporalUi} rel="noreferrer">
              Processes
            </a>
          </>
        )}
        {about ? ` · ${about.version}` : null}
      </div>
    </div>
  );
}
