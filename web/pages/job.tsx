import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { JobState } from '../../domain/fleet/job.js';
import { Badge } from '../design/badge.js';
import { Button } from '../design/button.js';
import { OwnId } from '../design/ids.js';
import { Answered, Fault } from '../design/notice.js';
import { Facts, PageOf, Sheet } from '../design/page.js';
import { Time } from '../design/time.js';
import { inWords, type Tone } from '../design/tones.js';
import { usePart } from '../design/url.js';
import { useApi, useChange } from '../service/queries.js';
import type { Job, One } from '../service/types.js';

const TONES = {
  receiving: 'busy',
  queued: 'mute',
  running: 'busy',
  done: 'ok',
  failed: 'bad',
  canceled: 'mute',
} as const satisfies Record<JobState, Tone>;
const ENDED: readonly JobState[] = ['done', 'failed', 'canceled'];

/** One job: how far it is, and each line that failed. */
export function Page(): ReactNode {
  const jobId = usePart('jobId');
  const path = `/v1/jobs/${jobId}`;
  const query = useApi<One<Job>>(path, { everyMs: 10_000 });
  const cancel = useChange<One<Job>>(() => ({ path: `${path}/cancel`, method: 'POST', body: {} }));
  const job = query.data?.data;
  return (
    <PageOf
      title={job ? jobWords(job) : 'Job'}
      above={<Link to="/jobs">Jobs</Link>}
      beside={job ? <JobBadge state={job.state} /> : null}
      actions={
        job && !ENDED.includes(job.state) ? (
          <>
            <Button onPress={() => void query.refetch()} busy={query.isRefetching}>
              Refresh
            </Button>
            <Button
              look="danger"
              busy={cancel.isPending}
              onPress={() => cancel.mutate(undefined, { onSettled: () => void query.refetch() })}
            >
              Cancel what is left
            </Button>
          </>
        ) : null
      }
    >
      {cancel.error ? <Fault error={cancel.error} /> : null}
      <Answered query={query} lines={6}>
        {({ data }) => (
          <>
            <Sheet title="How far it is">
              <div className="stack">
                <JobBar of={data} />
                <Facts
                  of={[
                    ['Done', data.done.toLocaleString('en')],
                    ['Failed', data.failed.toLocaleString('en')],
                    ['Left out', data.skipped === 0 ? undefined : data.skipped.toLocaleString('en')],
                    ['Of', data.total.toLocaleString('en')],
                    ['By', data.createdBy],
                    ['Created', <Time key="c" at={data.createdAt} />],
                    ['Ended', data.endedAt === null ? undefined : <Time key="e" at={data.endedAt} />],
                    ['Id', <OwnId key="i" id={data.id} what="job" />],
                    [
                      'Filter',
                      typeof data.spec['filter'] === 'string' ? <code key="f">{data.spec['filter']}</code> : undefined,
                    ],
                  ]}
                />
              </div>
            </Sheet>
            {data.errors.length === 0 ? null : <Errors of={data} />}
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function Errors({ of }: { readonly of: Job }): ReactNode {
  return (
    <Sheet
      title="What failed"
      aside={of.failed > of.errors.length ? <span className="quiet">the first {of.errors.length}</span> : null}
      flush
    >
      <div className="table-frame" tabIndex={0} role="group" aria-label="What failed">
        <table className="table">
          <thead>
            <tr>
              <th className="number">Line</th>
              <th>Where</th>
              <th>What</th>
            </tr>
          </thead>
          <tbody>
            {of.errors.map(({ line, pointer, detail }, index) => (
              <tr key={index}>
                <td className="number">{line}</td>
                <td>
                  <code>{pointer}</code>
                </td>
                <td>{detail}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Sheet>
  );
}

/** What a job does, in words. */
export function jobWords({ kind, spec }: Job): string {
  if (kind === 'import') return spec['dryRun'] === true ? 'Import, dry run' : 'Import';
  const { action, tag, dryRun } = spec;
  const words = `${inWords(typeof action === 'string' ? action : 'bulk')}${typeof tag === 'string' ? ` ${tag}` : ''}`;
  return dryRun === true ? `${words}, counted only` : words;
}

/** The state of a job. */
export function JobBadge({ state }: { readonly state: JobState }): ReactNode {
  return <Badge tone={TONES[state]}>{state}</Badge>;
}

/** How much of a job is done, and how much of that failed. */
export function JobBar({ of }: { readonly of: Job }): ReactNode {
  const left = Math.max(0, of.total - of.done - of.failed - of.skipped);
  return (
    <div>
      <div className="bar" aria-hidden="true">
        {of.done > 0 ? <i className="ok" style={{ flexGrow: of.done }} /> : null}
        {of.failed > 0 ? <i className="bad" style={{ flexGrow: of.failed }} /> : null}
        <span style={{ flexGrow: left }} />
      </div>
      <span className="small quiet nowrap">
        {of.done.toLocaleString('en')} of {of.total.toLocaleString('en')}
        {of.failed > 0 ? `, ${of.failed.toLocaleString('en')} failed` : ''}
      </span>
    </div>
  );
}
