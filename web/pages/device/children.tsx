import type { ReactNode } from 'react';
import { OnlineBadge, StateBadge } from '../../design/badge.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence } from '../../design/time.js';
import { useApi } from '../../service/queries.js';
import { withQuery } from '../../service/request.js';
import type { FullRow, Page } from '../../service/types.js';

/** The devices that a gateway connects, with what each waits for. */
export function Children({ deviceId }: { readonly deviceId: string }): ReactNode {
  const path = withQuery('/v1/devices', {
    connectedBy: deviceId,
    fields: 'id,name,online,versions,installation',
    pageSize: 1_000,
  });
  const query = useApi<Page<FullRow>>(path, { about: ['devices'] });
  return (
    <Sheet title="Connected by this device" flush>
      <Answered
        query={query}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <Notice title="It connects no other device" within>
            <p>A device whose connectedBy names this one stands here.</p>
          </Notice>
        }
      >
        {({ data }) => (
          <ul className="lines">
            {data.map(({ id, name, online, installation }) => (
              <li key={id}>
                <div className="row">
                  <ToThing kind="device" id={id}>
                    {name}
                  </ToThing>
                  <OnlineBadge online={online} />
                  {installation ? <StateBadge state={installation.state} /> : null}
                </div>
                {installation?.waitingOn == null ? null : (
                  <p className="small quiet">
                    <Sentence text={installation.waitingOn} />
                  </p>
                )}
              </li>
            ))}
          </ul>
        )}
      </Answered>
    </Sheet>
  );
}
