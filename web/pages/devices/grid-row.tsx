import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { OnlineBadge, StateBadge } from '../../design/badge.js';
import { Sentence } from '../../design/time.js';
import type { Row } from './rows.js';

/** One device. Its links are not stops of the Tab key: Enter opens the row. */
export function GridRow({
  id,
  row,
  index,
  start,
  size,
  isActive,
  isSelected,
  onActivate,
  onToggle,
}: {
  readonly id: string;
  readonly row: Row;
  readonly index: number;
  /** Pixels from the top, and high. */
  readonly start: number;
  readonly size: number;
  readonly isActive: boolean;
  readonly isSelected: boolean;
  readonly onActivate: () => void;
  readonly onToggle: () => void;
}): ReactNode {
  const { installation } = row;
  return (
    <div
      id={id}
      className={`grid-row${isActive ? ' active' : ''}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      style={{ transform: `translateY(${start}px)`, height: size }}
      onClick={onActivate}
    >
      <div role="gridcell">
        <input
          type="checkbox"
          tabIndex={-1}
          aria-label={`Select ${row.name}`}
          checked={isSelected}
          onChange={onToggle}
        />
      </div>
      <div role="gridcell" className="clip name">
        <Link to={`/devices/${row.id}`} tabIndex={-1} title={row.name}>
          {row.name}
        </Link>
      </div>
      <div role="gridcell">
        <OnlineBadge online={row.online} />
      </div>
      <div role="gridcell" className="clip versions">
        {Object.entries(row.versions).map(([slot, version]) => (
          <span key={slot} title={slot}>
            <span className="quiet">{slot}</span> {version ?? 'unknown'}
          </span>
        ))}
      </div>
      <div role="gridcell" className="clip waits">
        {installation ? (
          <Link
            to={`/installations/${installation.id}`}
            search={{ device: row.id }}
            tabIndex={-1}
            title={installation.waitingOn ?? ''}
          >
            <StateBadge state={installation.state} />{' '}
            {installation.waitingOn === null ? null : <Sentence text={installation.waitingOn} />}
          </Link>
        ) : (
          <span className="quiet">none</span>
        )}
      </div>
    </div>
  );
}
