import { printDuration } from '../../duration.js';
import type { Plan } from '../plan.js';
import { plural } from '../sentences.js';
import type { FleetModel } from './model.js';

/**
 * What a forecast takes for granted, beside what the model of the fleet lacks: one sentence each, so that nobody reads
 * more out of it than is in it.
 */
export function assumptionsOf(plan: Plan, model: FleetModel, runs: number): string[] {
  const approvals = plan.approval.required > 0 || plan.groups.some((group) => group.approval !== null);
  const chances = plan.stopIf.length > 0 || plan.groups.length > 1;
  return [
    plan.schedule.startAt === null ? 'It is started at once.' : 'It is started in time for its startAt.',
    ...(approvals ? ['Approvals are given at once.'] : []),
    ...(chances
      ? [
          `Nobody resumes it: a run that pauses counts as one that ends there. ${plural(runs, 'run was made', 'runs were made')}, so that a chance of 0 means less than one in ${runs}.`,
        ]
      : []),
    'Each attempt goes well or wrong by itself: the failures of the past hit devices at random, and the new content is neither better nor worse than what was installed before.',
    'A device that is online stays so.',
    ...(model.online < 1
      ? [
          `A device that is away comes back after about as long as it has been away${model.neverSeen > 0 ? '; one that was never there does not come' : ''}.`,
        ]
      : []),
    ...(model.held > 0 ? ['Devices that hold the content already are spread evenly over the groups.'] : []),
    ...(model.kinds.length > 1 ? ['Device types are spread evenly over the groups.'] : []),
    ...(plan.onConflict === 'queue' ? ['No other installation stands in the way on any device.'] : []),
    `Targets that have not ended ${printDuration(plan.timeouts.target)} after the start are given up, as the plan says.`,
    ...(plan.targets.dynamic ? ['No device comes to match later.'] : []),
    ...(plan.stopIf.some((rule) => rule.then === 'rollBack')
      ? ['A run that rolls back counts as one that ends there.']
      : []),
    'What is asked to stop stops at once.',
  ];
}
