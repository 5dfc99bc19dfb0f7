import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Notice } from '../../design/notice.js';
import type { Summary } from '../../service/types.js';

/** What waits for votes, and for this operator's. */
export function Awaited({ approvals }: { readonly approvals: Summary['approvals'] }): ReactNode {
  const { waiting, forYou } = approvals;
  return (
    <Notice title={waiting === 1 ? 'One approval waits' : `${waiting} approvals wait`}>
      <p>
        {forYou > 0 ? `${forYou} of them can be given by you. ` : 'None of them can be given by you. '}
        <Link to="/approvals">Look at what waits</Link>
      </p>
    </Notice>
  );
}
