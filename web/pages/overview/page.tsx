import { Link } from '@tanstack/react-router';
import { useEffect, type ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Answered, Notice } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { Ago } from '../../design/time.js';
import { useApi } from '../../service/queries.js';
import type { One, Summary } from '../../service/types.js';
import { Awaited } from './awaited.js';
import { FirstSteps } from './first-steps.js';
import { Fleet } from './fleet.js';
import { FleetVersions } from './fleet-versions.js';
import { OpenInstallations } from './open-installations.js';
import { WorstRollouts } from './worst-rollouts.js';

/** The service counts the fleet anew every three seconds while it is asked. */
const COUNTED_MS = 3_500;

/** The fleet at a glance: how it stands, what is stuck, what waits for whom, and whether the service is well. */
export function Page(): ReactNode {
  const summary = useApi<One<Summary>>('/v1/summary', { about: ['summary'], everyMs: 10_000 });
  const { refetch } = summary;
  // The service counts while it is asked: the first answer may be as old as the visit before.
  useEffect(() => {
    const timer = setTimeout(() => void refetch(), COUNTED_MS);
    return () => clearTimeout(timer);
  }, [refetch]);
  return (
    <PageOf
      title="Overview"
      actions={
        summary.data && (
          <span className="quiet small">
            Counted <Ago at={summary.data.data.asOf} />
          </span>
        )
      }
    >
      <Answered query={summary} lines={10}>
        {({ data }) => <Glance of={data} />}
      </Answered>
    </PageOf>
  );
}

function Glance({ of }: { readonly of: Summary }): ReactNode {
  const total = Object.values(of.devices).reduce((sum, count) => sum + count, 0);
  return (
    <>
      {total === 0 ? <FirstSteps /> : <Fleet devices={of.devices} />}
      {of.approvals.waiting > 0 ? <Awaited approvals={of.approvals} /> : null}
      <div className="columns wide">
        <WorstRollouts />
        <OpenInstallations installations={of.installations} />
      </div>
      {total === 0 ? null : <FleetVersions />}
      <Parts parts={of.parts} />
    </>
  );
}

const PART_TONES = { up: 'ok', down: 'bad', 'not known': 'mute' } as const;

function Parts({ parts }: { readonly parts: Summary['parts'] }): ReactNode {
  const all = Object.entries(parts);
  const down = all.filter(([, { status }]) => status === 'down');
  return (
    <Sheet
      title="The service"
      aside={
        <Badge tone={down.length > 0 ? 'bad' : 'ok'}>
          {down.length > 0 ? `${down.length} parts are down` : 'is well'}
        </Badge>
      }
    >
      <ul className="parts">
        {all.map(([name, { status, reason }]) => (
          <li key={name}>
            <Badge tone={PART_TONES[status]}>{name}</Badge>
            {status === 'up' ? null : <span className="small quiet"> {reason ?? status}</span>}
          </li>
        ))}
      </ul>
      {down.length > 0 ? (
        <Notice title="What a part that is down means" within>
          <p>
            <Link to="/devices">Devices</Link> keep what they have. What waits goes on by itself once the part is back.
          </p>
        </Notice>
      ) : null}
    </Sheet>
  );
}
