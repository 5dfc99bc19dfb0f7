import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence, Time } from '../../design/time.js';
import { useApi } from '../../service/queries.js';
import { withQuery } from '../../service/request.js';
import type { Timeline } from '../../service/types.js';

/** What happened to a device, newest first, in sentences. */
export function TimelineOf({ deviceId }: { readonly deviceId: string }): ReactNode {
  const [cursors, setCursors] = useState<readonly string[]>(['']);
  const more = (cursor: string): void =>
    setCursors((before) => (before.includes(cursor) ? before : [...before, cursor]));
  return (
    <Sheet title="What happened">
      {cursors.map((cursor, index) => (
        <Part key={cursor} deviceId={deviceId} cursor={cursor} isLast={index === cursors.length - 1} onMore={more} />
      ))}
    </Sheet>
  );
}

function Part({
  deviceId,
  cursor,
  isLast,
  onMore,
}: {
  readonly deviceId: string;
  readonly cursor: string;
  readonly isLast: boolean;
  readonly onMore: (cursor: string) => void;
}): ReactNode {
  const path = withQuery(`/v1/devices/${deviceId}/timeline`, { pageSize: 50, cursor });
  const query = useApi<Timeline>(path, { about: cursor === '' ? [`device:${deviceId}`] : [] });
  return (
    <Answered
      query={query}
      isEmpty={({ data }) => data.entries.length === 0}
      empty={
        <Notice title="Nothing yet" within>
          <p>As soon as the device connects, or something is requested for it, it stands here.</p>
        </Notice>
      }
    >
      {({ data, meta }) => (
        <>
          <ol className="timeline">
            {data.entries.map(({ at, sentence, installationId, rolloutId }, index) => (
              <li key={`${at} ${index}`}>
                <Time at={at} />
                <div>
                  <Sentence text={sentence} />{' '}
                  <span className="small">
                    {installationId === undefined ? null : (
                      <ToThing kind="installation" id={installationId} device={deviceId}>
                        installation
                      </ToThing>
                    )}{' '}
                    {rolloutId === undefined ? null : (
                      <ToThing kind="rollout" id={rolloutId}>
                        rollout
                      </ToThing>
                    )}
                  </span>
                </div>
              </li>
            ))}
          </ol>
          {isLast && meta.nextCursor !== undefined ? (
            <Button onPress={() => meta.nextCursor !== undefined && onMore(meta.nextCursor)}>Older</Button>
          ) : null}
        </>
      )}
    </Answered>
  );
}
