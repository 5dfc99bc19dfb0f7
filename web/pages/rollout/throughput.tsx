import type { ReactNode } from 'react';
import { parseDuration } from '../../../domain/duration.js';
import { printSpan } from '../../design/clock.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Left, Time } from '../../design/time.js';
import { useApi } from '../../service/queries.js';
import type { One, Rollout, RolloutSeries } from '../../service/types.js';

/** Height of the picture, in its own units; a step is one unit wide. */
const HEIGHT = 100;
/** A rollout that has just begun is not one broad column. */
const LEAST_WIDTH = 24;

/** What ended in each step, what of it failed, and when the last one is expected to end. */
export function Throughput({ of }: { readonly of: Rollout }): ReactNode {
  const query = useApi<One<RolloutSeries>>(`/v1/rollouts/${of.id}/series`, {
    about: [`rollout:${of.id}`],
    everyMs: 60_000,
  });
  return (
    <Sheet title="Throughput" aside={<Eta of={of} />}>
      <Answered
        query={query}
        isEmpty={({ data }) => data.points.length === 0}
        empty={
          <Notice title="Nothing has begun yet" within>
            <p>What starts and ends is shown here, minute by minute.</p>
          </Notice>
        }
      >
        {({ data }) => <Picture of={data} />}
      </Answered>
    </Sheet>
  );
}

function Eta({ of }: { readonly of: Rollout }): ReactNode {
  const ended = of.finishedAt ?? of.abortedAt;
  return (
    <span className="small quiet">
      {ended !== null ? (
        <>
          Ended <Time at={ended} />
        </>
      ) : of.eta === null ? (
        'No expected end: it depends on a person or on a device that is offline'
      ) : (
        <>
          Expected to end <Time at={of.eta} />, <Left at={of.eta} />
        </>
      )}
    </span>
  );
}

function Picture({ of: { step, points } }: { readonly of: RolloutSeries }): ReactNode {
  const most = Math.max(1, ...points.map(({ started, ended }) => Math.max(started, ended)));
  const high = (count: number): number => (HEIGHT * count) / most;
  const [first, last] = [points[0], points.at(-1)];
  const every = printSpan(parseDuration(step) ?? 0);
  const starts = points
    .map(({ started }, index) => `${index},${HEIGHT - high(started)} ${index + 1},${HEIGHT - high(started)}`)
    .join(' ');
  return (
    <div className="stack tight">
      <svg
        className="columns-of-time"
        viewBox={`0 0 ${Math.max(points.length, LEAST_WIDTH)} ${HEIGHT}`}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        {points.map(({ at, ended, failed }, index) => (
          <g key={at}>
            <rect
              className="ok"
              x={index + 0.1}
              y={HEIGHT - high(ended)}
              width={0.8}
              height={Math.max(0, high(ended - failed))}
            />
            <rect className="bad" x={index + 0.1} y={HEIGHT - high(failed)} width={0.8} height={high(failed)} />
          </g>
        ))}
        <polyline points={starts} vectorEffect="non-scaling-stroke" />
      </svg>
      {first && last ? (
        <p className="small quiet">
          <Time at={first.at} /> to <Time at={last.at} />, in steps of {every}
        </p>
      ) : null}
      <p className="legend small quiet">
        <span>
          <i className="swatch ok" aria-hidden="true" /> ended
        </span>
        <span>
          <i className="swatch bad" aria-hidden="true" /> of these failed
        </span>
        <span>
          <i className="swatch-line" aria-hidden="true" /> started
        </span>
        <span>at most {most.toLocaleString('en')} in a step</span>
      </p>
      <details>
        <summary>The figures as a table</summary>
        <div className="table-frame tall" tabIndex={0} role="group" aria-label="Throughput">
          <table className="table">
            <thead>
              <tr>
                <th>From</th>
                <th className="number">Started</th>
                <th className="number">Ended</th>
                <th className="number">Failed</th>
              </tr>
            </thead>
            <tbody>
              {points.map(({ at, started, ended, failed }) => (
                <tr key={at}>
                  <td>
                    <Time at={at} />
                  </td>
                  <td className="number">{started.toLocaleString('en')}</td>
                  <td className="number">{ended.toLocaleString('en')}</td>
                  <td className="number">{failed.toLocaleString('en')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </div>
  );
}
