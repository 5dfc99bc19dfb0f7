import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Standing } from '../../../domain/fleet/standing.js';
import { Icon } from '../../design/icon.js';
import { Sheet } from '../../design/page.js';
import { STANDING_TONES, STANDING_WORDS } from '../../design/tones.js';
import type { Summary } from '../../service/types.js';

const MEANING: Readonly<Record<Standing, string>> = {
  upToDate: 'hold the newest version of each slot',
  updating: 'have an installation that executes',
  behind: 'hold an older version than the newest',
  silent: 'were not heard within their interval',
  unknown: 'did not say which version they hold',
};
const ORDER = Object.keys(STANDING_TONES) as Standing[];

/** Every device once, as figures and as one bar that moves. */
export function Fleet({ devices }: { readonly devices: Summary['devices'] }): ReactNode {
  const total = ORDER.reduce((sum, name) => sum + devices[name], 0);
  return (
    <Sheet
      title="Devices"
      aside={
        <Link to="/devices">
          All {total.toLocaleString('en')} device{total === 1 ? '' : 's'}
        </Link>
      }
    >
      <dl className="figures">
        {ORDER.map((name) => (
          <div key={name} className={STANDING_TONES[name]}>
            <dt className="tone">
              <Icon name={STANDING_TONES[name]} /> {STANDING_WORDS[name]}
            </dt>
            <dd>
              <strong>{devices[name].toLocaleString('en')}</strong>
              <span className="small quiet">{MEANING[name]}</span>
            </dd>
          </div>
        ))}
      </dl>
      <div className="bar" aria-hidden="true">
        {ORDER.filter((name) => devices[name] > 0).map((name) => (
          <i key={name} className={STANDING_TONES[name]} style={{ flexGrow: devices[name] }} />
        ))}
      </div>
    </Sheet>
  );
}
