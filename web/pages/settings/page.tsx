import type { ReactNode } from 'react';
import { localZone, useZone } from '../../design/clock.js';
import { Answered } from '../../design/notice.js';
import { Facts, PageOf, Sheet } from '../../design/page.js';
import { Time } from '../../design/time.js';
import { inWords } from '../../design/tones.js';
import { useApi } from '../../service/queries.js';
import type { About, Me, One } from '../../service/types.js';
import { Hawkbit } from './hawkbit.js';

/** Who one is here, what the service is, and what its owners set. */
export function Page(): ReactNode {
  const me = useApi<One<Me>>('/v1/me');
  const about = useApi<One<About>>('/v1/about');
  return (
    <PageOf title="Settings">
      <div className="columns">
        <Sheet title="You">
          <Answered query={me}>{({ data }) => <You of={data} />}</Answered>
        </Sheet>
        <Sheet title="The service">
          <Answered query={about}>{({ data }) => <Service of={data} />}</Answered>
        </Sheet>
      </div>
      <Hawkbit />
    </PageOf>
  );
}

function You({ of }: { readonly of: Me }): ReactNode {
  const zone = useZone();
  return (
    <Facts
      of={[
        ['Name', of.name],
        ['In the history', <code key="acts">{of.actsAs}</code>],
        ['Tenant', of.tenant],
        ['Roles', of.roles.join(', ') || 'none: permissions of its own'],
        [
          'May',
          <details key="may">
            <summary>{of.permissions.length} permissions</summary>
            <ul className="small">
              {of.permissions.map((one) => (
                <li key={one}>
                  <code>{one}</code>
                </li>
              ))}
            </ul>
          </details>,
        ],
        ['Ends', of.expiresAt === undefined ? 'never' : <Time key="end" at={of.expiresAt} />],
        ['Times', zone === 'utc' ? 'in UTC' : `in ${localZone()}`],
      ]}
    />
  );
}

function Service({ of }: { readonly of: About }): ReactNode {
  const { links, features } = of;
  return (
    <Facts
      of={[
        ['Version', of.version],
        ['Runs as', inWords(of.mode)],
        ...Object.entries(features).map(([name, isOn]) => [inWords(name), isOn ? 'on' : 'off'] as const),
        [
          'API',
          <a key="docs" href="/docs/">
            its document
          </a>,
        ],
        [
          'Processes',
          links.temporalUi === undefined ? undefined : (
            <a key="temporal" href={links.temporalUi} rel="noreferrer">
              the UI of Temporal
            </a>
          ),
        ],
      ]}
    />
  );
}
