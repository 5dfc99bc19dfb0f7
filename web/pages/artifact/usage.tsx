import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { plural } from '../../../domain/plural.js';
import { PhaseBadge } from '../../design/badge.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { useApi } from '../../service/queries.js';
import type { FirmwareUsage, One } from '../../service/types.js';

/** Which devices have it, which rollouts bring it, and what is on its way. */
export function Usage({ firmwareId }: { readonly firmwareId: string }): ReactNode {
  const usage = useApi<One<FirmwareUsage>>(`/v1/firmwares/${firmwareId}/usage`, {
    about: ['associations', `firmware:${firmwareId}`],
  });
  return (
    <Answered query={usage}>
      {({ data }) => (
        <div className="columns">
          <Sheet title="Devices" flush>
            {data.slots.length === 0 && data.openInstallations === 0 ? (
              <Notice title="No device has it" within>
                <p>No device has said that a slot holds it, and no installation is open.</p>
              </Notice>
            ) : (
              <ul className="lines">
                {data.slots.map(({ slot, devices }) => (
                  <li key={slot}>
                    <div className="row spread">
                      <span>
                        hold it in <code>{slot}</code>
                      </span>
                      <strong>{plural(devices, 'device')}</strong>
                    </div>
                  </li>
                ))}
                {data.openInstallations === 0 ? null : (
                  <li>
                    <div className="row spread">
                      <Link to="/">on their way</Link>
                      <strong>{plural(data.openInstallations, 'installation')}</strong>
                    </div>
                  </li>
                )}
              </ul>
            )}
          </Sheet>
          <Sheet title="Rollouts" flush>
            {data.rollouts.length === 0 ? (
              <Notice title="No rollout brings it" within />
            ) : (
              <ul className="lines">
                {data.rollouts.map(({ id, name, phase }) => (
                  <li key={id}>
                    <div className="row spread">
                      <ToThing kind="rollout" id={id}>
                        {name}
                      </ToThing>
                      <PhaseBadge phase={phase} />
                    </div>
                  </li>
                ))}
                {data.rolloutsTotal > data.rollouts.length ? (
                  <li className="quiet">and {data.rolloutsTotal - data.rollouts.length} older ones</li>
                ) : null}
              </ul>
            )}
          </Sheet>
        </div>
      )}
    </Answered>
  );
}
