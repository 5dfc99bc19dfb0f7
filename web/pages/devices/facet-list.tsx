import type { ReactNode } from 'react';
import { useApi } from '../../service/queries.js';
import type { DeviceType, Page } from '../../service/types.js';
import { narrowed } from './filter-words.js';
import { FACETS, type Facets } from './rows.js';

const WORDS: Readonly<Record<(typeof FACETS)[number], string>> = {
  online: 'Online',
  deviceType: 'Type',
  tag: 'Tag',
  'slot.firmware.version': 'Version of firmware',
};
const SHOWN = 8;

/** What the devices that match have in common; a value narrows the filter. */
export function FacetList({
  facets,
  filter,
  onFilter,
}: {
  readonly facets: Facets;
  readonly filter: string;
  readonly onFilter: (filter: string) => void;
}): ReactNode {
  const types = useApi<Page<DeviceType>>('/v1/device-types?pageSize=100').data?.data ?? [];
  const nameOf = (facet: string, value: string): string => {
    if (facet === 'online') return value === 'true' ? 'online' : 'offline';
    return facet === 'deviceType' ? (types.find(({ id }) => id === value)?.name ?? value) : value;
  };
  return (
    <details className="facets" open={window.innerWidth >= 900}>
      <summary>Narrow down</summary>
      {FACETS.filter((facet) => (facets[facet] ?? []).some(({ value }) => value !== null)).map((facet) => (
        <section key={facet} aria-label={WORDS[facet]}>
          <h2>{WORDS[facet]}</h2>
          <ul>
            {facets[facet]?.slice(0, SHOWN).map(({ value, count }) =>
              value === null ? null : (
                <li key={value}>
                  <button type="button" onClick={() => onFilter(narrowed(filter, facet, value))}>
                    <span className="clip">{nameOf(facet, value)}</span>
                    <span className="quiet">{count.toLocaleString('en')}</span>
                  </button>
                </li>
              ),
            )}
          </ul>
        </section>
      ))}
    </details>
  );
}
