import type { Command } from 'commander';
import { listApprovals, type Approval } from '../../../client/index.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { group, verb } from '../verb.js';

/** What waits for votes. */
export function approvalVerbs(program: Command): void {
  const approvals = group(program, 'approvals', 'rollouts and groups that wait for approval');
  verb(
    approvals,
    { usage: 'list', says: 'list them, the longest first', examples: ['slipway approvals list'] },
    async (cli) => {
      const { client } = cli;
      await cli.rows(await allOf((query) => listApprovals({ client, query })), APPROVAL);
    },
  );
}

const APPROVAL: View<Approval> = {
  columns: {
    rollout: (a) => a.rolloutId,
    name: (a) => a.name,
    group: (a) => a.group,
    since: (a) => a.since,
    until: (a) => a.until,
    votes: (a) => `${a.given.length} of ${a.required}`,
    'your vote counts': (a) => (a.vote.allowed ? 'yes' : (a.vote.whyNot ?? 'no')),
  },
  id: (a) => a.rolloutId,
};
