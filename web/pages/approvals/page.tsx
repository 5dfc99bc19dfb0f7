import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Facts, PageOf, Sheet } from '../../design/page.js';
import { Ago, Left, Sentence, Time } from '../../design/time.js';
import { useApi, useWhyNot } from '../../service/queries.js';
import type { Approval, Page as PageOfList } from '../../service/types.js';
import { whyNotSentence } from '../rollout/commands.js';
import { Lane } from '../rollout/lane.js';
import { VoteDialog } from './vote-dialog.js';

/** What waits for votes, the longest first: of what, by whom, since when, and what speaks for it. */
export function Page(): ReactNode {
  const query = useApi<PageOfList<Approval>>('/v1/approvals?pageSize=100', { about: ['rollouts'] });
  const [voting, setVoting] = useState<{ readonly on: Approval; readonly how: 'approve' | 'reject' }>();
  return (
    <PageOf
      title="Approvals"
      beside={query.data ? <span className="quiet">{query.data.meta.itemsTotal.toLocaleString('en')}</span> : null}
    >
      <Answered
        query={query}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <Notice title="Nothing waits for an approval">
            <p>
              A <Link to="/rollouts">rollout</Link> whose plan asks for votes stands here once it is started, and a
              group once its gate and its soak are over.
            </p>
          </Notice>
        }
      >
        {({ data, meta }) => (
          <>
            {data.map((one) => (
              <Waiting key={`${one.rolloutId} ${one.group}`} of={one} onVote={(how) => setVoting({ on: one, how })} />
            ))}
            {meta.itemsTotal > data.length ? (
              <p className="quiet">The {data.length} that wait the longest are shown.</p>
            ) : null}
          </>
        )}
      </Answered>
      {voting ? <VoteDialog on={voting.on} how={voting.how} onClose={() => setVoting(undefined)} /> : null}
    </PageOf>
  );
}

function Waiting({
  of,
  onVote,
}: {
  readonly of: Approval;
  readonly onVote: (how: 'approve' | 'reject') => void;
}): ReactNode {
  const denied = useWhyNot('rollouts:approve');
  const { rolloutId, name, group, version, createdBy, since, until, required, given, voided, evidence } = of;
  return (
    <Sheet title={group === null ? name : `${name}: group ${group}`} aside={<Since at={since} until={until} />}>
      <div className="stack">
        {voided === null ? null : (
          <Notice title="Votes were voided">
            <p>
              <Sentence text={voided} />.{' '}
              <Link to={`/rollouts/${rolloutId}`} search={{ tab: 'history' }}>
                Look at what was amended
              </Link>
            </p>
          </Notice>
        )}
        <Facts
          of={[
            [
              'Rollout',
              <ToThing key="r" kind="rollout" id={rolloutId}>
                {name}
              </ToThing>,
            ],
            ['Plan', `version ${version}`],
            ['Created by', createdBy],
            ['Votes', <Votes key="v" required={required} given={given} />],
          ]}
        />
        {evidence === null ? (
          <p className="small quiet">It has not begun: there is no evidence yet but its plan.</p>
        ) : (
          <div className="stack tight">
            <h3>How the group went</h3>
            <Lane of={evidence.counters} />
            <p className="small">
              <Badge tone={VERDICT_TONES[evidence.gate.verdict] ?? 'mute'}>gate: {evidence.gate.verdict}</Badge>{' '}
              <Sentence text={evidence.gate.because} />
            </p>
          </div>
        )}
        <div className="row">
          <Button look="first" whyNot={whyNotSentence(of.vote)} onPress={() => onVote('approve')}>
            Approve…
          </Button>
          <Button look="danger" whyNot={denied} onPress={() => onVote('reject')}>
            Reject…
          </Button>
        </div>
        {of.vote.allowed ? null : <p className="small quiet">{whyNotSentence(of.vote)}</p>}
      </div>
    </Sheet>
  );
}

const VERDICT_TONES: Readonly<Record<string, 'ok' | 'bad' | 'warn'>> = {
  satisfied: 'ok',
  passed: 'ok',
  failed: 'bad',
  inconclusive: 'warn',
};

function Since({ at, until }: { readonly at: string; readonly until: string | null }): ReactNode {
  return (
    <span className="small quiet">
      asked <Ago at={at} />
      {until === null ? null : (
        <>
          , <Left at={until} />
        </>
      )}
    </span>
  );
}

function Votes({ required, given }: Pick<Approval, 'required' | 'given'>): ReactNode {
  return (
    <>
      {given.length} of {required}
      {given.map(({ by, at, version }) => (
        <div key={by} className="small quiet">
          {by}, <Time at={at} />
          {version === null ? '' : `, version ${version}`}
        </div>
      ))}
    </>
  );
}
