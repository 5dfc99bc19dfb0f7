import { GONE, seenAtEnd, type Decided } from '../domain/installation/decided.js';
import { asService } from '../store/db/transaction.js';
import { isTransient } from '../store/db/sqlstates.js';
import { readProcesses } from '../store/installations/to-send.js';
import { GroupCommit } from './group-commit.js';
import type { InstallationDependencies, Ref } from './process-events.js';

/**
 * Reads where rows stand, as many as are asked for at the same time in one statement. It takes no lock and writes
 * nothing: it is the last thing that a process does, and nearly always finds what its process was told.
 */
export function lookAtRows({ pool, now }: InstallationDependencies): (ref: Ref) => Promise<Decided> {
  const read = (asked: readonly Ref[]): Promise<Decided[]> =>
    asService(pool, async (tx) => {
      const keys = asked.map(({ tenantId, installationId }) => ({ tenantId, subject: installationId }));
      const views = await readProcesses(tx, keys);
      return asked.map(({ installationId }) => {
        const view = views.get(installationId);
        return view === undefined
          ? GONE
          : seenAtEnd(view.installation, { ...view.reach, executing: view.executing }, now());
      });
    });
  const group = new GroupCommit(read, isTransient);
  return (ref) => group.do(ref);
}
