import { Client, Connection, WorkflowNotFoundError, type ConnectionOptions } from '@temporalio/client';
import type { StatusUpdate } from '../../domain/installation/process-status.js';
import {
  EARLIER_TASK_QUEUE,
  installationWorkflowId,
  POKE,
  rolloutWorkflowId,
  STATUS,
  subjectOf,
  type InstallationRef,
  type RolloutRef,
} from '../../workflows/messages.js';
import type { Ended, Engine, ProcessTitle } from './port.js';

/** Longer than a loaded server takes; the sender's lease on an outbox row (30 s) is longer still. */
const CALL_TIMEOUT_MS = 10_000;

/** Ends of processes are listed a page at a time, the newest first; so many in one look are many hundreds a second. */
const ENDED_PAGE = 1_000;
const ENDED_PAGES = 10;
/** What ended may come into the list this much later than others that ended after it. */
const LISTED_LATE_MS = 30_000;

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

    async endedSince(since?: string): Promise<Ended> {
      const queues = [await queue(), EARLIER_TASK_QUEUE].map((name) => `'${name}'`).join(', ');
      const query = `TaskQueue IN (${queues}) AND ExecutionStatus IN ('Completed', 'Failed', 'Canceled', 'Terminated', 'TimedOut')${since === undefined ? '' : ` AND CloseTime > '${since}'`}`;
      const ended = { installations: new Set<string>(), rollouts: new Set<string>() };
      let newest = since === undefined ? -Infinity : Date.parse(since) + LISTED_LATE_MS;
      let nextPageToken: Uint8Array = new Uint8Array();
      for (let page = 0; page < ENDED_PAGES && (page === 0 || nextPageToken.length > 0); page += 1) {
        const token = nextPageToken;
        const answer = await within(CALL_TIMEOUT_MS, () =>
          connection.workflowService.listWorkflowExecutions({
            namespace,
            query,
            pageSize: ENDED_PAGE,
            nextPageToken: token,
          }),
        );
        for (const { execution, closeTime } of answer.executions) {
          const subject = subjectOf(execution?.workflowId ?? '');
          if (subject) ended[subject.kind === 'installation' ? 'installations' : 'rollouts'].add(subject.id);
          newest = Math.max(newest, Number(closeTime?.seconds ?? 0) * 1000);
        }
        nextPageToken = answer.nextPageToken;
      }
      return {
        installations: [...ended.installations],
        rollouts: [...ended.rollouts],
        ...(newest === -Infinity ? {} : { since: new Date(newest - LISTED_LATE_MS).toISOString() }),
      };
    },

    close: () => connection.close(),
  };
}
