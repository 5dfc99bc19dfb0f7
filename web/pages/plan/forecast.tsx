import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { parseDuration } from '../../../domain/duration.js';
import { plural } from '../../../domain/plural.js';
import { printBytes } from '../../design/bytes.js';
import { printSpan } from '../../design/clock.js';
import { Fault, Notice, Skeleton } from '../../design/notice.js';
import { Facts, Sheet } from '../../design/page.js';
import { sharePercent } from '../../design/shares.js';
import { Table } from '../../design/table.js';
import { Sentence } from '../../design/time.js';
import { call, Refused } from '../../service/request.js';
import type { Forecast, One } from '../../service/types.js';
import type { Body } from './body.js';

/** After the last key: long enough to finish a number. */
const SETTLE_MS = 400;
/** Two forecasts may run at once for all of a tenant: one that found no place comes again. */
const TRIES = 8;

/** A forecast of a plan, as it is typed. */
export interface Foreseen {
  readonly forecast: Forecast | undefined;
  readonly error: Error | null;
  /** Whether what is shown is of a plan before this one. */
  readonly isOld: boolean;
}

/** Asks what a plan would do, 400 ms after the last change. @param body undefined = it lacks something yet */
export function useForecast(body: Body | undefined): Foreseen {
  const wanted = body === undefined ? '' : JSON.stringify(body);
  const [settled, setSettled] = useState(wanted);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(wanted), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [wanted]);
  const query = useQuery<One<Forecast>>({
    queryKey: ['forecast', settled],
    queryFn: ({ signal }) =>
      call('/v1/rollout-simulations', { method: 'POST', body: JSON.parse(settled) as unknown, signal }),
    enabled: settled !== '',
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    retry: (failures, error) => error instanceof Refused && error.status === 429 && failures < TRIES,
    retryDelay: (_failures, error) => 1_000 * (error instanceof Refused ? (error.retryAfter ?? 1) : 1),
  });
  return {
    forecast: query.data?.data,
    error: settled === wanted ? query.error : null,
    isOld: settled !== wanted || query.isPlaceholderData || query.isFetching,
  };
}

/** What the plan would do: how long, how it ends, and where it would wait for a person. */
export function ForecastSheet({
  of: { forecast, error, isOld },
  lacks,
}: {
  readonly of: Foreseen;
  /** What the plan lacks before anything can be foreseen. */
  readonly lacks: string | undefined;
}): ReactNode {
  return (
    <Sheet
      title="Forecast"
      aside={
        <span className="small quiet" role="status">
          {isOld && lacks === undefined && error === null ? 'on its way…' : ''}
        </span>
      }
    >
      {lacks === undefined ? null : <Notice title={lacks} within />}
      {error === null || lacks !== undefined ? null : <Fault error={error} />}
      {lacks === undefined && error === null && forecast === undefined ? <Skeleton lines={6} /> : null}
      {lacks === undefined && error === null && forecast !== undefined ? (
        <div className={isOld ? 'stack old' : 'stack'}>
          <Told of={forecast} />
        </div>
      ) : null}
    </Sheet>
  );
}

const OUTCOMES = {
  finished: 'finishes',
  paused: 'waits for a person',
  waiting: 'waits for devices',
  failed: 'fails',
  aborted: 'aborts',
  rolledBack: 'rolls back',
} as const satisfies Record<keyof Forecast['outcomes'], string>;

function Told({ of }: { readonly of: Forecast }): ReactNode {
  const outcomes = Object.entries(OUTCOMES).filter(([name]) => of.outcomes[name as keyof typeof OUTCOMES] > 0);
  const half = of.milestones.find(({ share }) => share === 0.5);
  return (
    <>
      <Facts
        of={[
          ['Devices', of.devices.toLocaleString('en')],
          [
            'It',
            outcomes
              .map(([name, words]) => `${words}: ${chance(of.outcomes[name as keyof typeof OUTCOMES])}`)
              .join(', '),
          ],
          ['Takes', of.duration === null ? 'no end by itself' : spread(of.duration)],
          ['Half have it', half === undefined ? undefined : half.after === null ? 'never' : spread(half.after)],
          ['Devices an hour', Math.round(of.devicesPerHour).toLocaleString('en')],
          ['At once, at most', of.peakInFlight.p95.toLocaleString('en')],
          ['Your line carries', `${printBytes(of.peakBytesPerSecond.p95)}/s`],
          ['Never reached', of.neverAdmitted.p95 === 0 ? undefined : plural(of.neverAdmitted.p95, 'device')],
        ]}
      />
      <Table label="Groups in the forecast" columns={['Group', '#Devices', 'Opens after', 'Passes after', '#Passes']}>
        {of.groups.map(({ name, size, opens, passed, passes }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className="number">{size.toLocaleString('en')}</td>
            <td className="nowrap">{opens === null ? '' : span(opens.p50)}</td>
            <td className="nowrap">{passed === null ? '' : span(passed.p50)}</td>
            <td className="number">{chance(passes)}</td>
          </tr>
        ))}
      </Table>
      {of.pauses.map(({ because, chance: of100 }) => (
        <p key={because} className="small">
          <strong>{chance(of100)}</strong> it would wait for you: <Sentence text={because} />
        </p>
      ))}
      <details>
        <summary>What it takes for granted</summary>
        <ul className="small quiet">
          {of.assumptions.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      </details>
    </>
  );
}

function chance(of1: number): string {
  return sharePercent(of1 * 1_000, 1_000);
}

function span(duration: string): string {
  return printSpan(parseDuration(duration) ?? 0);
}

/** In half of the runs, and in all but one of twenty. */
function spread({ p50, p95 }: { readonly p50: string; readonly p95: string }): string {
  return p50 === p95 ? span(p50) : `${span(p50)}, at worst ${span(p95)}`;
}
