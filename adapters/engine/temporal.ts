import { Client, Connection, WorkflowNotFoundError, type ConnectionOptions } from '@temporalio/client';
import type { StatusUpdate } from '../../domain/installation/process-status.js';
import {
  installationWorkflowId,
  POKE,
  rolloutWorkflowId,
  STATUS,
  type InstallationRef,
  type RolloutRef,
} from '../../workflows/messages.js';
import type { Engine, ProcessTitle } from './port.js';

/** Longer than a loaded server takes; the sender's lease on an outbox row (30 s) is longer still. */
const CALL_TIMEOUT_MS = 10_000;

/** How to reach the engine, and where processes are started. */
export interface TemporalOptions {
  connection: ConnectionOptions;
  namespace: string;
  /** The queue on which workers of this service are; asked for when the first process is started. */
  taskQueue: string | (() => Promise<string>);
}

/** Temporal's client. Connects when first used, and again by itself. */
export function openTemporal({ connection: options, namespace, taskQueue }: TemporalOptions): Engine {
  const connection = Connection.lazy(options);
  const client = new Client({ connection, namespace });
  let known: string | undefined;
  const queue = async () => (known ??= typeof taskQueue === 'string' ? taskQueue : await taskQueue());
  const within = <T>(ms: number, call: () => Promise<T>) => connection.withDeadline(Date.now() + ms, call);

  return {
    async start(ref: InstallationRef, title: ProcessTitle) {
      const onQueue = await queue();
      await within(CALL_TIMEOUT_MS, () =>
        client.workflow.start('installation', {
          workflowId: installationWorkflowId(ref.installationId),
          taskQueue: onQueue,
          args: [ref],
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: title.summary,
          staticDetails: title.details,
        }),
      );
    },

    async signal(installationId: string, update: StatusUpdate) {
      try {
        await within(CALL_TIMEOUT_MS, () =>
          client.workflow.getHandle(installationWorkflowId(installationId)).signal(STATUS, update),
        );
        return 'sent';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return 'gone';
        throw error;
      }
    },

    async poke(ref: RolloutRef, title: ProcessTitle) {
      const onQueue = await queue();
      await within(CALL_TIMEOUT_MS, () =>
        client.workflow.signalWithStart('rollout', {
          workflowId: rolloutWorkflowId(ref.rolloutId),
          taskQueue: onQueue,
          args: [ref],
          signal: POKE,
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          staticSummary: title.summary,
          staticDetails: title.details,
        }),
      );
    },

    close: () => connection.close(),
  };
}
