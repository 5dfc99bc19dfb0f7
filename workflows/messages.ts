/**
 * What crosses between the service and a workflow. Kept free of any SDK: the bridge and the engine's adapter import it.
 * It stands in histories that run for months: members may be added, never renamed or removed.
 */

/**
 * Names one installation. The workflow's id is made of it, so that a second start of a running process does nothing.
 */
export interface InstallationRef {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly installationId: string;
  /** Which steps the process takes; absent in what was started by the first version. */
  readonly edition?: typeof EDITION;
}

/**
 * Of the processes that are started from now on. It comes with the start, so that what has been running for weeks goes
 * on with its own steps; a patch marker of the SDK would do the same for two more events and a search attribute in
 * every process. 2: an installation whose news is its end is not looked at once more.
 */
export const EDITION = 2;

/** How an installation's process ended: the state of its row. */
export interface InstallationEnd {
  readonly state: string;
  readonly attempt: number;
}

export const TASK_QUEUE = 'slipway';

export function installationWorkflowId(installationId: string): string {
  return `installation-${installationId}`;
}

/** Names one rollout. */
export interface RolloutRef {
  readonly tenantId: string;
  readonly rolloutId: string;
}

/** How a rollout's process ended. */
export interface RolloutEnd {
  readonly outcome: string;
}

/** "Look again": the only signal that a rollout hears. It says nothing, for everything is read anew. */
export const POKE = 'poke';

export function rolloutWorkflowId(rolloutId: string): string {
  return `rollout-${rolloutId}`;
}
