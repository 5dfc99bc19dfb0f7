import type { ReactNode } from 'react';
import { StateBadge } from '../../design/badge.js';
import { IdLink } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence, Time } from '../../design/time.js';
import { useApi } from '../../service/queries.js';
import type { Installation, Page } from '../../service/types.js';

/** What was requested for a device, newest first. */
export function Installations({ deviceId }: { readonly deviceId: string }): ReactNode {
  const query = useApi<Page<Installation>>(`/v1/devices/${deviceId}/firmware-installations?pageSize=50`, {
    about: [`device:${deviceId}`],
  });
  return (
    <Sheet title="Installations" flush>
      <Answered
        query={query}
        isEmpty={({ data }) => data.length === 0}
        empty={<Notice title="Nothing was requested yet" within />}
      >
        {({ data }) => (
          <div className="table-frame" tabIndex={0} role="group" aria-label="Installations">
            <table className="table">
              <thead>
                <tr>
                  <th>Requested</th>
                  <th>Slot</th>
                  <th>State</th>
                  <th>Why</th>
                  <th>Id</th>
                </tr>
              </thead>
              <tbody>
                {data.map((one) => (
                  <tr key={one.id}>
                    <td>
                      <Time at={one.requestedAt} />
                    </td>
                    <td>{one.slot}</td>
                    <td>
                      <StateBadge state={one.state} />
                    </td>
                    <td>
                      <Sentence text={one.waitingOn ?? one.error?.message ?? one.rejectReason ?? ''} />
                    </td>
                    <td>
                      <IdLink kind="installation" id={one.id} device={deviceId} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Answered>
    </Sheet>
  );
}
