import { useState, type ReactNode } from 'react';
import { differencesOf } from '../../../domain/rollout/members.js';
import { Button } from '../../design/button.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence, Time } from '../../design/time.js';
import { inWords } from '../../design/tones.js';
import { useApi } from '../../service/queries.js';
import { withQuery } from '../../service/request.js';
import type { Page as PageOfList, RolloutEvent } from '../../service/types.js';

/** What people asked of a rollout and what was decided, newest first; an amendment as what it changed. */
export function History({ rolloutId }: { readonly rolloutId: string }): ReactNode {
  const [cursors, setCursors] = useState<readonly string[]>(['']);
  return (
    <Sheet title="What happened">
      {cursors.map((cursor, index) => (
        <Part
          key={cursor}
          rolloutId={rolloutId}
          cursor={cursor}
          isLast={index === cursors.length - 1}
          onMore={(next) => setCursors((before) => (before.includes(next) ? before : [...before, next]))}
        />
      ))}
    </Sheet>
  );
}

function Part({
  rolloutId,
  cursor,
  isLast,
  onMore,
}: {
  readonly rolloutId: string;
  readonly cursor: string;
  readonly isLast: boolean;
  readonly onMore: (cursor: string) => void;
}): ReactNode {
  const path = withQuery(`/v1/rollouts/${rolloutId}/events`, { order: 'desc', pageSize: 50, cursor });
  const query = useApi<PageOfList<RolloutEvent>>(path, { about: cursor === '' ? [`rollout:${rolloutId}`] : [] });
  return (
    <Answered
      query={query}
      isEmpty={({ data }) => data.length === 0}
      empty={<Notice title="Nothing has happened yet" within />}
    >
      {({ data, meta: { nextCursor } }) => (
        <>
          <ol className="timeline">
            {data.map((event, index) => (
              <li key={event.number ?? `${event.at} ${index}`}>
                <Time at={event.at} />
                <Told event={event} />
              </li>
            ))}
          </ol>
          {isLast && nextCursor !== undefined ? <Button onPress={() => onMore(nextCursor)}>Older</Button> : null}
        </>
      )}
    </Answered>
  );
}

function Told({ event: { event, data } }: { readonly event: RolloutEvent }): ReactNode {
  const group = textOf(data['group']);
  const reason = textOf(data['reason']);
  const by = textOf(data['by']);
  const why = [textOf(data['because']), textOf(data['comment'])].filter((one) => one !== undefined);
  const changes = event === 'amended' ? differencesOf([data]) : [];
  return (
    <div>
      <strong>{inWords(event)}</strong>
      {group === undefined ? null : ` ${group}`}
      {typeof data['count'] === 'number' ? `, ${data['count'].toLocaleString('en')}` : null}
      {reason === undefined ? null : `, ${inWords(reason)}`}{' '}
      <span className="small quiet">
        {by === undefined || by === 'planner' ? null : `by ${by}`}
        {typeof data['version'] === 'number' ? ` · version ${data['version']}` : null}
      </span>
      {why.map((sentence) => (
        <div key={sentence}>
          <Sentence text={sentence} />
        </div>
      ))}
      {changes.length === 0 ? null : (
        <ul className="diff">
          {changes.map(({ pointer, from, to }) => (
            <li key={pointer}>
              <code>{pointer.slice(1).replaceAll('/', '.')}</code>{' '}
              {from === undefined ? null : (
                <>
                  <del>{printed(from)}</del>{' '}
                </>
              )}
              {to === undefined ? <span className="quiet">the default</span> : <ins>{printed(to)}</ins>}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function printed(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
