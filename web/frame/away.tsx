import type { ReactNode } from 'react';
import { Ago } from '../design/time.js';
import { useReach } from '../service/queries.js';

/** Says that the service is away, and since when. The stream tries again each second, and then all goes on. */
export function Away(): ReactNode {
  const reach = useReach();
  return (
    <div role="status" aria-live="polite">
      {reach.away ? (
        <p className="away">
          <strong>The service does not answer</strong>, since <Ago at={new Date(reach.since).toISOString()} />. What you
          see is from before. It goes on by itself; what you typed stays.
        </p>
      ) : null}
    </div>
  );
}
