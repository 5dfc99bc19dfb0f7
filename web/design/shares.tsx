import type { ReactNode } from 'react';

/** One part of a whole, as a bar has it. */
export interface Share {
  readonly key: string;
  readonly words: ReactNode;
  readonly count: number;
  /** The class of its colour (parts.css). */
  readonly look: string;
}

/** A count as a share of a whole: under one in a hundred it has one more digit, and nothing is never "0 %". */
export function sharePercent(count: number, total: number): string {
  const share = (100 * count) / Math.max(1, total);
  if (count > 0 && share < 0.1) return '< 0.1 %';
  return `${share < 1 && count > 0 ? share.toFixed(1) : Math.round(share)} %`;
}

/** Parts of a whole as one bar that moves, with a legend, and the same as a table for those who do not see it. */
export function Shares({
  label,
  of,
  total,
}: {
  readonly label: string;
  readonly of: readonly Share[];
  readonly total: number;
}): ReactNode {
  return (
    <div className="stack tight">
      <div className="bar" aria-hidden="true">
        {of
          .filter(({ count }) => count > 0)
          .map(({ key, count, look }) => (
            <i key={key} className={look} style={{ flexGrow: count }} />
          ))}
      </div>
      <table className="shares">
        <caption className="hidden-text">{label}</caption>
        <thead className="hidden-text">
          <tr>
            <th scope="col">What</th>
            <th scope="col">Devices</th>
            <th scope="col">Share</th>
          </tr>
        </thead>
        <tbody>
          {of.map(({ key, words, count, look }) => (
            <tr key={key}>
              <th scope="row">
                <i className={`swatch ${look}`} aria-hidden="true" /> {words}
              </th>
              <td className="number">{count.toLocaleString('en')}</td>
              <td className="number quiet">{sharePercent(count, total)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
