import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Shares, type Share } from '../../design/shares.js';
import { useApi } from '../../service/queries.js';
import { withQuery } from '../../service/request.js';
import type { DeviceRow, DeviceType, Page, PageMeta } from '../../service/types.js';
import { quoted } from '../devices/filter-words.js';
import { versionShares, type VersionCount } from './version-shares.js';

/** The service counts so many facets at once. */
const MAX_FACETS = 5;

type Counted = Page<DeviceRow, PageMeta & { readonly facets?: Readonly<Record<string, readonly VersionCount[]>> }>;

/** Which versions the devices of a type hold, each slot as one bar that moves as they are updated. */
export function Versions({ type }: { readonly type: DeviceType }): ReactNode {
  const slots = Object.keys(type.slots).slice(0, MAX_FACETS);
  const filter = `deviceType==${type.id}`;
  const facets = slots.map((slot) => `slot.${slot}.version`).join(',');
  const query = useApi<Counted>(withQuery('/v1/devices', { filter, facets, fields: 'id', pageSize: 1 }), {
    about: ['devices'],
    enabled: slots.length > 0,
    keep: true,
  });
  if (slots.length === 0) return null;
  return (
    <Sheet title={`Versions of ${type.name}`}>
      <Answered
        query={query}
        isEmpty={({ meta }) => meta.itemsTotal === 0}
        empty={<Notice title="No device of this type yet" within />}
      >
        {({ meta }) => (
          <div className="columns">
            {slots.map((slot) => (
              <Slot key={slot} slot={slot} filter={filter} counts={meta.facets?.[`slot.${slot}.version`] ?? []} />
            ))}
          </div>
        )}
      </Answered>
    </Sheet>
  );
}

function Slot({
  slot,
  filter,
  counts,
}: {
  readonly slot: string;
  readonly filter: string;
  readonly counts: readonly VersionCount[];
}): ReactNode {
  const { named, others, unknown, total } = versionShares(counts);
  const shares: Share[] = named.map(({ version, count }, index) => ({
    key: version,
    words: (
      <Link to="/devices" search={{ filter: `${filter};slot.${slot}.version==${quoted(version)}` }}>
        {version}
      </Link>
    ),
    count,
    look: `shade-${index}`,
  }));
  if (others > 0) shares.push({ key: 'others', words: 'other versions', count: others, look: 'shade-5' });
  if (unknown > 0) shares.push({ key: 'unknown', words: 'did not say', count: unknown, look: 'mute' });
  return (
    <div className="stack tight">
      <h3>{slot}</h3>
      <Shares label={`Versions of ${slot}, newest first`} of={shares} total={total} />
    </div>
  );
}
