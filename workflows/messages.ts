/**
 * What crosses between the service and a workflow. Kept free of any SDK: the bridge and the engine's adapter import it.
 * It stands in histories that run for months: members may be added, never renamed or removed.
 */

/** Names one installation. The workflow's id is made of it, so that a second start of a running process does nothing. */
export interface InstallationRef {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly installationId: string;
}

/** How an installation's process ended: the state of its row. */
export interface InstallationEnd {
  readonly state: string;
  readonly attempt: number;
}

export const TASK_QUEUE = 'slipway';

export function installationWorkflowId(installationId: string): string {
  return `installation-${installationId}`;
}
