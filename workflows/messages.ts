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
  /**
   * Which steps the process takes, and by which signals it is told: workflows/earlier-installation.ts has those before
   * the present ones. It comes with the start, from the version of the bridge that also signals the process; a patch
   * marker in every process would be two events more. `patched()` is for changes on paths that few processes take.
   */
  readonly edition?: typeof EDITION | 2;
  /**
   * Before it ends because a signal says so, it looks at the row. Absent in processes that began before it was so; a
   * worker of before passes it over, and may replay a process that has not ended.
   */
  readonly looksBeforeEnd?: true;
}

/** Of the processes that are started from now on. */
export const EDITION = 3;

/** How an installation's process ended: the state of its row. */
export interface InstallationEnd {
  readonly state: string;
  readonly attempt: number;
}

/**
 * The queue between the engine and the workers of one service, for workflows and activities. It carries the service's
 * id, or two services on one namespace of Temporal would take each other's tasks.
 * @param serviceId as PostgreSQL has it (store/db/service-id.ts)
 */
export function taskQueueOf(serviceId: string): string {
  return `slipway-${serviceId}`;
}

/** The queue of every service before each had one of its own: served for as long as a process is on it. */
export const EARLIER_TASK_QUEUE = 'slipway';

/** The one signal of an installation's process: why it comes, and where the row stands (`StatusUpdate`). */
export const STATUS = 'status';

/** One process per installation: the id keeps a second one from starting. */
export function installationWorkflowId(installationId: string): string {
  return `installation-${installationId}`;
}

/** What the process of this id is about; undefined where the id is not of our making. */
export function subjectOf(workflowId: string): { kind: 'installation' | 'rollout'; id: string } | undefined {
  const [, kind, id] = /^(installation|rollout)-([0-9a-f-]{36})$/.exec(workflowId) ?? [];
  return (kind === 'installation' || kind === 'rollout') && id !== undefined ? { kind, id } : undefined;
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

/** "Look again": the only signal of a rollout's process. It says nothing, for everything is read anew. */
export const POKE = 'poke';

/** One process per rollout: the id keeps a second one from starting. */
export function rolloutWorkflowId(rolloutId: string): string {
  return `rollout-${rolloutId}`;
}
