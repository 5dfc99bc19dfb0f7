import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { OwnId, ToThing } from '../../design/ids.js';
import { Facts, Sheet } from '../../design/page.js';
import { Time } from '../../design/time.js';
import type { Rollout } from '../../service/types.js';
import { percent } from './counters.js';

/** What was asked for: content, targets, pace, stop rules and limits. */
export function Plan({ of }: { readonly of: Rollout }): ReactNode {
  const { targets, pace, schedule, retry, timeouts } = of;
  const named = targets.deviceIds?.length ?? 0;
  return (
    <div className="columns">
      <Sheet title="What, and for whom">
        <Facts
          of={[
            ['Id', <OwnId key="id" id={of.id} what="rollout" />],
            ...of.steps.map(
              ({ slot, firmwareId }) =>
                [`Into ${slot}`, <ToThing key={firmwareId} kind="firmware" id={firmwareId} />] as const,
            ),
            [
              'Targets',
              targets.filter === undefined ? undefined : (
                <Link key="f" to="/devices" search={{ filter: targets.filter }}>
                  <code>{targets.filter}</code>
                </Link>
              ),
            ],
            ['Named devices', named === 0 ? undefined : named.toLocaleString('en')],
            ['Later devices', targets.dynamic ? 'join while it is open' : undefined],
            ['Description', of.description ?? undefined],
            ['Created', <Time key="c" at={of.createdAt} />],
            ['Created by', of.createdBy],
            ['Plan', `version ${of.version}`],
            [
              'Votes',
              of.approval.required === 0
                ? undefined
                : `${of.approvals.length} of ${of.approval.required}${of.approval.fourEyes ? ', four eyes' : ''}`,
            ],
          ]}
        />
      </Sheet>
      <Sheet title="Pace and limits">
        <Facts
          of={[
            ['In flight', `at most ${pace.maxInFlight.toLocaleString('en')}`],
            ['Starts', `at most ${pace.startsPerMinute.toLocaleString('en')} per minute`],
            ['Offline devices', pace.offline === 'wait' ? 'are waited for' : 'are offered it, too'],
            ['Away', `not seen for ${pace.awayAfter}`],
            [
              'Stops',
              of.stopIf.length === 0
                ? 'by no rule'
                : of.stopIf
                    .map(
                      ({ outcome, share, after, then }) =>
                        `${STOPS[then]} at ${percent(share)} ${outcome === 'any' ? 'failures of any kind' : outcome}, judged after ${after}`,
                    )
                    .join('; '),
            ],
            ['Starts at', schedule.startAt === null ? undefined : <Time key="s" at={schedule.startAt} />],
            ['Ends at', schedule.endAt === null ? undefined : <Time key="e" at={schedule.endAt} />],
            ['Attempts', `at most ${retry.maxAttempts}`],
            [
              'Timeouts',
              `offer ${timeouts.offer}, download ${timeouts.download}, install ${timeouts.install}, confirm ${timeouts.confirm}, whole ${timeouts.target}`,
            ],
            ['Occupied slot', of.onConflict],
          ]}
        />
      </Sheet>
    </div>
  );
}

const STOPS = { pause: 'pauses', abort: 'aborts', rollBack: 'rolls back' } as const;
