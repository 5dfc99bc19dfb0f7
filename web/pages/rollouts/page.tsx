import { useState, type ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import type { Outcome } from '../../../domain/rollout/outcome.js';
import { PHASES, type Phase } from '../../../domain/rollout/phase.js';
import { Badge, PhaseBadge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { Choice } from '../../design/field.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { Search } from '../../design/search.js';
import { Ago, Sentence } from '../../design/time.js';
import { inWords, type Tone } from '../../design/tones.js';
import { useUrlValue } from '../../design/url.js';
import { useApi } from '../../service/queries.js';
import { withQuery } from '../../service/request.js';
import type { Page as PageOfList, Rollout } from '../../service/types.js';
import { Lane } from '../rollout/lane.js';
import { CLASSES, WORST_FIRST, worstFirst } from './worst-first.js';

const PAGE_SIZE = 50;
const OPTIONS = [['', 'All'], ...WORST_FIRST.map((phase) => [phase, inWords(phase)] as const)] as const;

/** All rollouts, what needs a person first; the filters stand in the address. */
export function Page(): ReactNode {
  const [chosen, setPhase] = useUrlValue('phase', true);
  const [q, setQ] = useUrlValue('q');
  const phase = PHASES.find((one) => one === chosen) ?? '';
  const all = useApi<PageOfList<Rollout>>(withQuery('/v1/rollouts', { phase, q, pageSize: 1 }), {
    about: ['rollouts'],
    keep: true,
  });
  return (
    <PageOf
      title="Rollouts"
      beside={
        all.data ? (
          <span className="quiet" role="status">
            {all.data.meta.itemsTotal.toLocaleString('en')}
          </span>
        ) : null
      }
      actions={
        <>
          <Link to="/approvals">What waits for approval</Link>
          <Link to="/rollouts/new" className="button first">
            New rollout
          </Link>
        </>
      }
    >
      <div className="filters" role="search">
        <Choice<Phase | ''> label="Phase" value={phase} options={OPTIONS} onChoose={setPhase} />
        <Search label="Part of the name" value={q} onSearch={setQ} />
      </div>
      <Answered
        query={all}
        isEmpty={({ data }) => data.length === 0}
        empty={
          phase === '' && q === '' ? (
            <Notice title="No rollout yet">
              <p>
                A rollout brings a firmware to many devices in groups, and stops by itself where too many fail.{' '}
                <Link to="/rollouts/new">Write one</Link>
              </p>
            </Notice>
          ) : (
            <Notice title="No rollout matches">
              <p>None has this phase and a name with these letters.</p>
            </Notice>
          )
        }
      >
        {() =>
          CLASSES.map(([title, phases]) => [title, phases.filter((one) => phase === '' || one === phase)] as const)
            .filter(([, phases]) => phases.length > 0)
            .map(([title, phases]) => <List key={`${title} ${phase} ${q}`} title={title} phases={phases} q={q} />)
        }
      </Answered>
    </PageOf>
  );
}

interface Wanted {
  readonly title: string;
  readonly phases: readonly Phase[];
  readonly q: string;
}

/** Rollouts of one class, page after page; where there is none, it is not there. */
function List({ title, phases, q }: Wanted): ReactNode {
  const [cursors, setCursors] = useState<readonly string[]>(['']);
  const first = useApi<PageOfList<Rollout>>(pathOf(phases, q, ''), { about: ['rollouts'] });
  if (first.data?.data.length === 0) return null;
  return (
    <Sheet
      title={title}
      flush
      aside={first.data ? <span className="quiet">{first.data.meta.itemsTotal.toLocaleString('en')}</span> : null}
    >
      {cursors.map((cursor, index) => (
        <Part
          key={cursor}
          path={pathOf(phases, q, cursor)}
          isLast={index === cursors.length - 1}
          onMore={(next) => setCursors((before) => (before.includes(next) ? before : [...before, next]))}
        />
      ))}
    </Sheet>
  );
}

function pathOf(phases: readonly Phase[], q: string, cursor: string): string {
  return withQuery('/v1/rollouts', { phase: phases.join(','), q, pageSize: PAGE_SIZE, cursor });
}

function Part({
  path,
  isLast,
  onMore,
}: {
  readonly path: string;
  readonly isLast: boolean;
  readonly onMore: (cursor: string) => void;
}): ReactNode {
  const query = useApi<PageOfList<Rollout>>(path, { about: ['rollouts'] });
  return (
    <Answered query={query}>
      {({ data, meta: { nextCursor } }) => (
        <>
          <ul className="lines">
            {worstFirst(data).map((rollout) => (
              <Line key={rollout.id} of={rollout} />
            ))}
          </ul>
          {isLast && nextCursor !== undefined ? (
            <div className="more">
              <Button onPress={() => onMore(nextCursor)}>Older</Button>
            </div>
          ) : null}
        </>
      )}
    </Answered>
  );
}

const OUTCOMES = {
  succeeded: 'ok',
  partly: 'warn',
  failed: 'bad',
  nothingToDo: 'mute',
  canceled: 'mute',
  rolledBack: 'bad',
} as const satisfies Record<Outcome, Tone>;

function Line({ of }: { readonly of: Rollout }): ReactNode {
  return (
    <li>
      <div className="row spread">
        <div className="row">
          <ToThing kind="rollout" id={of.id}>
            <strong>{of.name}</strong>
          </ToThing>
          <PhaseBadge phase={of.phase} />
          {of.outcome === null ? null : <Badge tone={OUTCOMES[of.outcome]}>{inWords(of.outcome)}</Badge>}
        </div>
        <span className="small quiet">
          changed <Ago at={of.updatedAt} />
        </span>
      </div>
      <p className="small">
        <Sentence text={of.waitingOn ?? of.because} />
      </p>
      <Lane of={of.counters} />
    </li>
  );
}
