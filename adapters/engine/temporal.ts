import { Client, Connection, WorkflowNotFoundError, type ConnectionOptions } from '@temporalio/client';
import type { ProcessSignal, ProcessStatus } from '../../domain/installation/process-status.js';
import {
  installationWorkflowId,
  POKE,
  rolloutWorkflowId,
  TASK_QUEUE,
  type InstallationRef,
  type RolloutRef,
} from '../../workflows/messages.js';
import type { Engine } from './port.js';

/** Longer than a loaded server takes; the sender's lease on an outbox row (30 s) is longer still. */
const CALL_TIMEOUT_MS = 10_000;

export interface TemporalOptions {
  connection: ConnectionOptions;
  namespace: string;
  taskQueue?: string;
}

/** Temporal's client. Connects when first used, and again by itself. */
export function openTemporal({ connection: options, namespace, taskQueue = TASK_QUEUE }: TemporalOptions): Engine {
  const connection = Connection.lazy(options);
  const client = new Client({ connection, namespace });
  const within = <T>(ms: number, call: () => Promise<T>) => connection.withDeadline(Date.now() + ms, call);

  return {
    async start(ref: InstallationRef) {
      await within(CALL_TIMEOUT_MS, () =>
        client.workflow.start('installation', {
          workflowId: installationWorkflowId(ref.installationId),
          taskQueue,
          args: [ref],
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: `device ${ref.deviceId} of tenant ${ref.tenantId}`,
        }),
      );
    },

    async signal(installationId: string, news: ProcessSignal, status: ProcessStatus) {
      try {
        await within(CALL_TIMEOUT_MS, () =>
          client.workflow.getHandle(installationWorkflowId(installationId)).signal(news, status),
        );
        return 'sent';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return 'gone';
        throw error;
      }
    },

    async poke(ref: RolloutRef) {
      await within(CALL_TIMEOUT_MS, () =>
        client.workflow.signalWithStart('rollout', {
          workflowId: rolloutWorkflowId(ref.rolloutId),
          taskQueue,
          args: [ref],
          signal: POKE,
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          staticSummary: `rollout ${ref.rolloutId} of tenant ${ref.tenantId}`,
        }),
      );
    },

    close: () => connection.close(),
  };
}
