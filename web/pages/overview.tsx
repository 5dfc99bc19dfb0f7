import type { ReactNode } from 'react';
import { PageOf } from '../design/page.js';
import { Answered } from '../design/notice.js';
import { useApi } from '../service/queries.js';
import type { One, Summary } from '../service/types.js';

/** The overview. */
export function Page(): ReactNode {
  const summary = useApi<One<Summary>>('/v1/summary', { about: ['summary'] });
  return (
    <PageOf title="Overview">
      <Answered query={summary}>{({ data }) => <p>{data.devices.upToDate} devices are up to date.</p>}</Answered>
    </PageOf>
  );
}
