import type { ReactNode } from 'react';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence, Time } from '../../design/time.js';
import { useApi } from '../../service/queries.js';
import type { Diagnostic, Page } from '../../service/types.js';

/** Messages of the last hour that were refused, and why. No event tells of them, so they are asked for again. */
export function Diagnostics({ deviceId }: { readonly deviceId: string }): ReactNode {
  const query = useApi<Page<Diagnostic>>(`/v1/devices/${deviceId}/last-diagnostics`, { everyMs: 15_000 });
  return (
    <Sheet title="Refused in the last hour">
      <Answered
        query={query}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <Notice title="No message was refused" within>
            <p>MQTT answers no errors to a device: what it says wrongly stands here.</p>
          </Notice>
        }
      >
        {({ data }) => (
          <ol className="timeline">
            {data.map(({ at, reason, detail, topic, payload }, index) => (
              <li key={`${at} ${index}`}>
                <Time at={at} />
                <div>
                  <strong>{reason}</strong>: <Sentence text={detail} />
                  {topic === undefined ? null : <code className="small quiet breaks">{topic}</code>}
                  {payload === undefined ? null : <code className="small quiet breaks">{payload}</code>}
                </div>
              </li>
            ))}
          </ol>
        )}
      </Answered>
    </Sheet>
  );
}
