import { printDuration } from '../../duration.js';
import type { Plan } from '../plan.js';
import { plural } from '../../plural.js';
import type { FleetModel } from './model.js';

/** Of a share, with one digit behind the point where it is small. */
function percentOf(share: number): string {
  const percent = share * 100;
  return `${percent < 10 ? Math.max(0.1, Number(percent.toFixed(1))) : Math.round(percent)} %`;
}

/**
 * What a forecast takes for granted, beside what the model of the fleet lacks: one sentence each, so that a reader does
 * not get more out of it than is in it.
 */
export function assumptionsOf(plan: Plan, model: FleetModel, runs: number): string[] {
  const approvals = plan.approval.required > 0 || plan.groups.some((group) => group.approval !== null);
  const chances = plan.stopIf.length > 0 || plan.groups.length > 1;
  return [
    plan.schedule.startAt === null ? 'The rollout starts at once.' : 'The rollout starts at its startAt.',
    ...(approvals ? ['Approvals are given at once, and no amendment voids them.'] : []),
    ...(chances
      ? [
          `A paused run is not resumed: it counts as ended. ${plural(runs, 'run was made', 'runs were made')}, so a chance of 0 means less than one in ${runs}.`,
        ]
      : []),
    'Attempts fail independently: past failures hit devices at random, and the new content is as reliable as earlier content.',
    'An online device stays online.',
    ...(model.online < 1
      ? [
          `An offline device returns after about as long as it has been offline${model.neverSeen > 0 ? '; a device that was never online does not come' : ''}.`,
        ]
      : []),
    ...(model.held > 0 ? ['Devices that already hold the content are spread evenly over the groups.'] : []),
    ...(model.skipped > 0
      ? [`${percentOf(model.skipped)} of the devices are skipped: their slot holds a newer version.`]
      : []),
    ...(model.refused > 0
      ? [
          `${percentOf(model.refused)} of the devices are refused: what their slot holds cannot be compared with the version.`,
        ]
      : []),
    ...(model.kinds.length > 1 ? ['Device types are spread evenly over the groups.'] : []),
    ...(plan.onConflict === 'queue' ? ['No other installation is open on any device.'] : []),
    `Targets that have not ended ${printDuration(plan.timeouts.target)} after their group opened time out, as planned.`,
    ...(plan.targets.dynamic ? ['No device starts to match later.'] : []),
    ...(plan.stopIf.some((rule) => rule.then === 'rollBack') ? ['A run that rolls back counts as ended.'] : []),
    'Installations stop as soon as they are asked to.',
  ];
}
