import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { IdLink } from '../design/ids.js';
import { Answered, Notice } from '../design/notice.js';
import { PageOf, Sheet } from '../design/page.js';
import { Time } from '../design/time.js';
import { useApi } from '../service/queries.js';
import type { Job, Page as PageOfList } from '../service/types.js';
import { JobBadge, JobBar, jobWords } from './job.js';

/** What runs in bulk, newest first. No event tells of jobs, so the list is asked for again. */
export function Page(): ReactNode {
  const jobs = useApi<PageOfList<Job>>('/v1/jobs?pageSize=50', { everyMs: 10_000 });
  return (
    <PageOf title="Jobs">
      <Answered
        query={jobs}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <Notice title="No job">
            <p>
              Select <Link to="/devices">devices</Link> and do something to all of them: that is a job. It is shown for
              a day after its end.
            </p>
          </Notice>
        }
      >
        {({ data }) => (
          <Sheet flush>
            <div className="table-frame" tabIndex={0} role="group" aria-label="Jobs">
              <table className="table">
                <thead>
                  <tr>
                    <th>Created</th>
                    <th>What</th>
                    <th>State</th>
                    <th>Progress</th>
                    <th>By</th>
                    <th>Id</th>
                  </tr>
                </thead>
                <tbody>
                  {data.map((job) => (
                    <tr key={job.id}>
                      <td>
                        <Time at={job.createdAt} />
                      </td>
                      <td>{jobWords(job)}</td>
                      <td>
                        <JobBadge state={job.state} />
                      </td>
                      <td>
                        <JobBar of={job} />
                      </td>
                      <td>{job.createdBy}</td>
                      <td>
                        <IdLink kind="job" id={job.id} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </Sheet>
        )}
      </Answered>
    </PageOf>
  );
}
