import { createEarlierInstallationActivities, type EarlierInstallationActivities } from './earlier-installation.js';
import { createInstallationActivities, type InstallationActivities } from './installation.js';
import { processEvents, type InstallationDependencies } from './process-events.js';
import { createRolloutActivities, type RolloutActivities, type RolloutDependencies } from './rollout.js';

/** Every activity that a worker offers. A name stays as long as a history calls it. */
export type Activities = InstallationActivities & EarlierInstallationActivities & RolloutActivities;

/** Every activity that a worker offers to its workflows. */
export function createActivities(dependencies: InstallationDependencies & RolloutDependencies): Activities {
  // One for all, so that what comes at the same time is one transaction, whichever process asks.
  const decide = processEvents(dependencies);
  return {
    ...createInstallationActivities(dependencies, decide),
    ...createEarlierInstallationActivities(decide),
    ...createRolloutActivities(dependencies),
  };
}
