import { useVirtualizer } from '@tanstack/react-virtual';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { Icon } from '../../design/icon.js';
import { GridRow } from './grid-row.js';
import type { Row } from './rows.js';
import { isSelected, NONE, toggled, type Selection } from './selection.js';

/** Pixels; on a phone a row has two lines (devices.css). */
const ROW = { wide: 38, narrow: 76 };
const NARROW = '(width < 56rem)';
/** The next page is asked for when so many rows are left below. */
const AHEAD = 200;

/**
 * Rows of a fleet. Only what is seen is in the document; arrows, Home, End and pages move, Space selects, Enter opens.
 */
export function Grid({
  rows,
  total,
  sort,
  onSort,
  selection,
  onSelect,
  more,
}: {
  readonly rows: readonly Row[];
  readonly total: number;
  readonly sort: string;
  readonly onSort: (sort: string) => void;
  readonly selection: Selection;
  readonly onSelect: (selection: Selection) => void;
  /** Asks for the next page; absent while there is none, or it is on its way. */
  readonly more: (() => void) | undefined;
}): ReactNode {
  const frame = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const [narrow] = useState(() => matchMedia(NARROW).matches);
  const navigate = useNavigate();
  const id = useId();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => (narrow ? ROW.narrow : ROW.wide),
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= rows.length - AHEAD) more?.();
  }, [last, rows.length, more]);

  const open = (index: number): void => {
    const row = rows[index];
    if (row) void navigate({ to: `/devices/${row.id}` });
  };
  const move = (to: number): void => {
    const next = Math.min(Math.max(to, 0), rows.length - 1);
    setActive(next);
    virtual.scrollToIndex(next);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = Math.max(1, Math.floor((frame.current?.clientHeight ?? 400) / (narrow ? ROW.narrow : ROW.wide)) - 1);
    const row = rows[active];
    const acts: Readonly<Record<string, () => void>> = {
      ArrowDown: () => move(active + 1),
      ArrowUp: () => move(active - 1),
      PageDown: () => move(active + step),
      PageUp: () => move(active - step),
      Home: () => move(0),
      End: () => move(rows.length - 1),
      Enter: () => open(active),
      ' ': () => row && onSelect(toggled(selection, row.id)),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  const allLoaded = selection.all || (rows.length > 0 && rows.every((row) => isSelected(selection, row.id)));
  return (
    <div
      ref={frame}
      className="grid"
      role="grid"
      aria-label="Devices"
      aria-rowcount={total + 1}
      aria-multiselectable="true"
      tabIndex={0}
      aria-activedescendant={items.some(({ index }) => index === active) ? `${id}-${active}` : undefined}
      onKeyDown={onKeyDown}
    >
      <div className="grid-head" role="row" aria-rowindex={1}>
        <div role="columnheader">
          <input
            type="checkbox"
            aria-label="Select the loaded rows"
            tabIndex={-1}
            checked={allLoaded}
            onChange={() => onSelect(allLoaded ? NONE : { all: false, ids: new Set(rows.map((row) => row.id)) })}
          />
        </div>
        <div role="columnheader" aria-sort={sort === 'name' ? 'ascending' : sort === '-name' ? 'descending' : 'none'}>
          <button type="button" onClick={() => onSort(sort === 'name' ? '-name' : sort === '-name' ? '' : 'name')}>
            Name {sort === 'name' ? <Icon name="up" /> : sort === '-name' ? <Icon name="down" /> : null}
          </button>
        </div>
        <div role="columnheader">Connection</div>
        <div role="columnheader">Versions</div>
        <div role="columnheader">Open installation, and what it waits for</div>
      </div>
      <div className="grid-body" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        {items.map(({ index, start, size }) => {
          const row = rows[index];
          return row ? (
            <GridRow
              key={row.id}
              id={`${id}-${index}`}
              row={row}
              index={index}
              start={start}
              size={size}
              isActive={index === active}
              isSelected={isSelected(selection, row.id)}
              onActivate={() => setActive(index)}
              onToggle={() => onSelect(toggled(selection, row.id))}
            />
          ) : null;
        })}
      </div>
    </div>
  );
}
