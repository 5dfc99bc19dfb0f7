import type { ReactNode } from 'react';
import type { Listed } from '../service/queries.js';
import { Button } from './button.js';

/** A short table that scrolls sideways where the page is narrower. Of a column, `#` in front: its cells are numbers. */
export function Table({
  label,
  columns,
  children,
}: {
  readonly label: string;
  readonly columns: readonly string[];
  /** Its rows. */
  readonly children: ReactNode;
}): ReactNode {
  return (
    <div className="table-frame" tabIndex={0} role="group" aria-label={label}>
      <table className="table">
        <thead>
          <tr>
            {columns.map((name) => (
              <th key={name} scope="col" className={name.startsWith('#') ? 'number' : undefined}>
                {name.replace(/^#/, '')}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** Below a list: how much of it is shown, and the way to the rest. */
export function More({ of }: { readonly of: Listed<unknown> }): ReactNode {
  if (of.data === undefined || of.more === undefined) return null;
  return (
    <div className="row more">
      <Button busy={of.isMoreOnItsWay} onPress={of.more}>
        Show more
      </Button>
      <span className="small quiet">{of.data.rows.length.toLocaleString('en')} are shown.</span>
    </div>
  );
}

/** Beside a title: how many there are, whether or not they are shown. */
export function Total({ of }: { readonly of: Listed<unknown> }): ReactNode {
  if (of.data === undefined) return null;
  const { itemsTotal, itemsTotalExact } = of.data.meta;
  return (
    <span className="quiet" role="status">
      {itemsTotalExact === false ? 'about ' : ''}
      {itemsTotal.toLocaleString('en')}
    </span>
  );
}
