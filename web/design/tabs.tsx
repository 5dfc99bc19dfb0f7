import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useUrl, withValue, type Search } from './url.js';

/** Parts of a page, one at a time; which one stands in the address as `tab`. The first one has an empty name. */
export function Tabs({
  label,
  tabs,
}: {
  readonly label: string;
  readonly tabs: readonly (readonly [name: string, words: string])[];
}): ReactNode {
  const { tab = '' } = useUrl();
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(([name, words]) => (
        <Link
          key={name}
          to="."
          search={(before: Search) => withValue(before, 'tab', name)}
          resetScroll={false}
          // Without `exact` the router takes the first tab, whose name is empty, for shown beside every other one.
          activeOptions={{ exact: true }}
          activeProps={{}}
          aria-current={tab === name ? 'true' : undefined}
        >
          {words}
        </Link>
      ))}
    </nav>
  );
}
