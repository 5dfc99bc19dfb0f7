import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { PhaseBadge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { Answered } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { Tabs } from '../../design/tabs.js';
import { Left, Sentence } from '../../design/time.js';
import { usePart, useUrl } from '../../design/url.js';
import { useApi } from '../../service/queries.js';
import type { One, Rollout } from '../../service/types.js';
import { VoteDialog, type Ballot } from '../approvals/vote-dialog.js';
import { AmendDialog } from './amend-dialog.js';
import { CommandDialog } from './command-dialog.js';
import { ASKED, whyNotSentence, WORDS, type Asked, type PauseReason } from './commands.js';
import { Failures } from './failures.js';
import { Groups } from './groups.js';
import { History } from './history.js';
import { Lane } from './lane.js';
import { Pauses } from './pauses.js';
import { Plan } from './plan.js';
import { Targets } from './targets.js';
import { Throughput } from './throughput.js';

const TABS = [
  ['', 'How it goes'],
  ['devices', 'Devices'],
  ['history', 'History'],
  ['plan', 'Plan'],
] as const;

/** Of what devices do, the stream tells without the rollout; its counters are asked for again. */
const COUNTED_MS = 10_000;

/** One rollout: how it stands in a sentence, its groups and gates, why it waits, and what may be done with it. */
export function Page(): ReactNode {
  const rolloutId = usePart('rolloutId');
  const query = useApi<One<Rollout>>(`/v1/rollouts/${rolloutId}`, {
    about: [`rollout:${rolloutId}`],
    everyMs: COUNTED_MS,
  });
  const { tab = '' } = useUrl();
  const [asked, setAsked] = useState<{ readonly what: Asked; readonly pause?: PauseReason }>();
  const [isVoting, setIsVoting] = useState(false);
  const [isAmending, setIsAmending] = useState(false);
  const one = query.data?.data;
  return (
    <PageOf
      title={one?.name ?? 'Rollout'}
      above={<Link to="/rollouts">Rollouts</Link>}
      beside={one ? <PhaseBadge phase={one.phase} /> : null}
      actions={
        one ? (
          <Actions
            of={one}
            onAsk={(what) => setAsked({ what })}
            onVote={() => setIsVoting(true)}
            onAmend={() => setIsAmending(true)}
          />
        ) : null
      }
    >
      <Answered query={query} lines={10}>
        {({ data }) => (
          <>
            <Now of={data} />
            <Pauses of={data} onResume={(pause) => setAsked({ what: 'resume', pause })} />
            <Tabs label="Parts of the rollout" tabs={TABS} />
            {tab === '' ? (
              <>
                <Groups of={data} />
                <div className="columns">
                  <Throughput of={data} />
                  <Failures of={data} />
                </div>
              </>
            ) : null}
            {tab === 'devices' ? <Targets of={data} /> : null}
            {tab === 'history' ? <History rolloutId={rolloutId} /> : null}
            {tab === 'plan' ? <Plan of={data} /> : null}
            {asked ? (
              <CommandDialog of={data} what={asked.what} pause={asked.pause} onClose={() => setAsked(undefined)} />
            ) : null}
            {isVoting ? <VoteDialog on={ballotOf(data)} how="approve" onClose={() => setIsVoting(false)} /> : null}
            {isAmending ? <AmendDialog of={data} onClose={() => setIsAmending(false)} /> : null}
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function Now({ of }: { readonly of: Rollout }): ReactNode {
  return (
    <Sheet
      title="Now"
      aside={
        <span className="row small">
          {of.nextActionAt === null ? null : (
            <span className="quiet">
              next deadline: <Left at={of.nextActionAt} />
            </span>
          )}
          {of.workflowUrl === null ? null : (
            <a href={of.workflowUrl} rel="noreferrer">
              Its process
            </a>
          )}
        </span>
      }
    >
      <div className="stack tight">
        <p className="now">
          <Sentence text={of.waitingOn ?? of.because} />
        </p>
        <Lane of={of.counters} />
      </div>
    </Sheet>
  );
}

/** Each pause has its own button to resume; without a pause there is one that says why not. */
function Actions({
  of,
  onAsk,
  onVote,
  onAmend,
}: {
  readonly of: Rollout;
  readonly onAsk: (what: Asked) => void;
  readonly onVote: () => void;
  readonly onAmend: () => void;
}): ReactNode {
  return (
    <>
      {of.approval.required > 0 || of.groups.some(({ approval }) => approval !== null) ? (
        <Button whyNot={whyNotSentence(of.actions.approve)} onPress={onVote}>
          Approve…
        </Button>
      ) : null}
      <Button whyNot={whyNotSentence(of.actions.amend)} onPress={onAmend}>
        Amend…
      </Button>
      {ASKED.filter((what) => what !== 'resume' || of.pauses.length === 0).map((what) => (
        <Button
          key={what}
          look={WORDS[what].look}
          whyNot={whyNotSentence(of.actions[what])}
          onPress={() => onAsk(what)}
        >
          {WORDS[what].button}…
        </Button>
      ))}
    </>
  );
}

/** What a vote would be about: the rollout itself, or the first of its groups that lacks one. */
function ballotOf({ id, name, version, approval, approvals, groups }: Rollout): Ballot {
  if (approvals.length < approval.required) return { rolloutId: id, name, version, group: null };
  const lacks = groups.find((one) => one.approval !== null && one.passedAt === null && one.failedAt === null);
  return { rolloutId: id, name, version, group: lacks?.name ?? null };
}
