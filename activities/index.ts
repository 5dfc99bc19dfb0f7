import {
  createInstallationActivities,
  type InstallationActivities,
  type InstallationDependencies,
} from './installation.js';
import { createRolloutActivities, type RolloutActivities } from './rollout.js';

/** Every activity that a worker offers to its workflows. */
export function createActivities(dependencies: InstallationDependencies): InstallationActivities & RolloutActivities {
  return { ...createInstallationActivities(dependencies), ...createRolloutActivities(dependencies) };
}
