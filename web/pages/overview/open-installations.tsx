import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { StateBadge } from '../../design/badge.js';
import { ToThing } from '../../design/ids.js';
import { Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence } from '../../design/time.js';
import type { Summary } from '../../service/types.js';

/** What is on its way, by state, each with the one that is there for the longest time and why. */
export function OpenInstallations({ installations }: { readonly installations: Summary['installations'] }): ReactNode {
  const total = installations.reduce((sum, { count }) => sum + count, 0);
  return (
    <Sheet title="Open installations" flush aside={<span className="quiet">{total.toLocaleString('en')}</span>}>
      {installations.length === 0 ? (
        <Notice title="None is open" within>
          <p>
            Every installation has ended. A <Link to="/devices">device</Link> or a rollout begins the next one.
          </p>
        </Notice>
      ) : (
        <ul className="lines">
          {installations.map(({ state, count, oldest }) => (
            <li key={state}>
              <div className="row spread">
                <StateBadge state={state} />
                <strong>{count.toLocaleString('en')}</strong>
              </div>
              {oldest ? (
                <p className="small">
                  Longest: <ToThing kind="device" id={oldest.deviceId} />.{' '}
                  <ToThing kind="installation" id={oldest.id} device={oldest.deviceId}>
                    <Sentence text={oldest.waitingOn} />
                  </ToThing>
                </p>
              ) : null}
            </li>
          ))}
        </ul>
      )}
    </Sheet>
  );
}
