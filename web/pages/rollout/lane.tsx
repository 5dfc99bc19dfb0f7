import type { ReactNode } from 'react';
import { sharesOf, totalOf, type Counted } from './counters.js';

/** The width of a lane in its own units; its height is 1. */
const WIDTH = 1_000;

/** Targets as one bar, with its figures in words below. */
export function Lane({ of }: { readonly of: Counted }): ReactNode {
  const total = totalOf(of);
  const shares = sharesOf(of);
  let from = 0;
  return (
    <div className="lane">
      <svg viewBox={`0 0 ${WIDTH} 1`} preserveAspectRatio="none" aria-hidden="true">
        {shares.map(({ words, tone, count }) => {
          const x = from;
          const width = (WIDTH * count) / total;
          from += width;
          return <rect key={words} className={tone} x={x} y={0} width={width} height={1} />;
        })}
      </svg>
      <p className="small quiet">
        {shares.length === 0 ? 'no target yet' : null}
        {shares.map(({ words, tone, count }) => (
          <span key={words} className="lane-part">
            <i className={`swatch ${tone}`} aria-hidden="true" /> {count.toLocaleString('en')} {words}
          </span>
        ))}
      </p>
    </div>
  );
}
