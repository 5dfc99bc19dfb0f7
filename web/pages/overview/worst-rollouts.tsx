import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { PhaseBadge } from '../../design/badge.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence } from '../../design/time.js';
import { useApi } from '../../service/queries.js';
import type { Page as PageOfList, Rollout } from '../../service/types.js';
import { worstFirst } from '../rollouts/worst-first.js';

const SHOWN = 8;

/** The rollouts that need a person, before those that run by themselves. */
export function WorstRollouts(): ReactNode {
  const rollouts = useApi<PageOfList<Rollout>>('/v1/rollouts?pageSize=50', { about: ['rollouts'] });
  return (
    <Sheet title="Rollouts, worst first" flush aside={<Link to="/rollouts">All rollouts</Link>}>
      <Answered
        query={rollouts}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <Notice title="No rollout yet" within>
            <p>A rollout brings a firmware to many devices in groups, and stops by itself where too many fail.</p>
          </Notice>
        }
      >
        {({ data }) => (
          <ul className="lines">
            {worstFirst(data)
              .slice(0, SHOWN)
              .map((rollout) => (
                <li key={rollout.id}>
                  <div className="row spread">
                    <ToThing kind="rollout" id={rollout.id}>
                      {rollout.name}
                    </ToThing>
                    <PhaseBadge phase={rollout.phase} />
                  </div>
                  <p className="small quiet">
                    <Sentence text={rollout.waitingOn ?? rollout.because} />
                  </p>
                </li>
              ))}
          </ul>
        )}
      </Answered>
    </Sheet>
  );
}
