import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker, type NativeConnectionOptions } from '@temporalio/worker';
import type { Logger } from 'pino';

/** Which part of the worker's work failed. */
export type Failed = 'activity' | 'workflow' | 'worker';

/** What a worker is made of. */
export interface OrchestratorOptions {
  connection: NativeConnectionOptions;
  namespace: string;
  /** What the workflows call (activities/). */
  activities: object;
  log: Logger;
  /** Told of what failed and is tried again: what an operator counts. */
  failed?: (reason: Failed) => void;
  taskQueue: string;
  /** The file that `npm run build` made of the workflows. */
  bundle?: string;
}

/** Built once by `npm run build`: webpack takes two seconds, which no start should wait for. */
const BUNDLE = fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url));

/**
 * Cached workflows: an open installation costs 0.2 to 0.3 MB here, most of them waiting for days. One that is not
 * cached is replayed from its short history when something happens to it, which costs some milliseconds, once. In a
 * rush of 2,000 as many end in a second as with 2,000 cached, because processes begin no faster than they take their
 * first steps (bridge/outbound/start-throttle.ts).
 */
const CACHED_WORKFLOWS = 300;
/** Measured on two cores: 8 task slots gave 0.75 of the throughput of 100. */
const WORKFLOW_TASKS = 100;
/** Local activities are short transactions; more at once than the pool has connections only wait there. */
const LOCAL_ACTIVITIES = 40;

/**
 * What the SDK says of a process that ended as Failed: an installation that failed, which is no fault of Slipway's. A
 * fault in the code of a workflow fails its task, in other words, and is tried again.
 */
const ENDED_AS_FAILED = 'Workflow failed';

/** The SDK's own lines go where all others go. Its runtime is one per process. */
let installed = false;
function installLogger(log: Logger, failed: (reason: Failed) => void): void {
  if (installed) return;
  installed = true;
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'debug', WARN: 'warn', ERROR: 'error' } as const;
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      const isFault = message !== ENDED_AS_FAILED;
      log[isFault ? levels[level] : 'debug']({ ...meta }, message);
      if (!isFault) return;
      if (level === 'WARN' || level === 'ERROR')
        failed(/^activity/i.test(message) ? 'activity' : /workflow/i.test(message) ? 'workflow' : 'worker');
    }),
  });
}

/**
 * The caller runs the worker, and closes the connection when it has ended.
 * @throws Error where the server cannot be reached
 */
export async function createOrchestrator(
  options: OrchestratorOptions,
): Promise<{ worker: Worker; connection: NativeConnection }> {
  installLogger(options.log, options.failed ?? (() => undefined));
  const connection = await NativeConnection.connect(options.connection);
  try {
    return { worker: await createWorker(options, connection), connection };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** A worker on a connection that is there. The caller runs it. */
export function createWorker(options: OrchestratorOptions, connection: NativeConnection): Promise<Worker> {
  return Worker.create({
    connection,
    namespace: options.namespace,
    taskQueue: options.taskQueue,
    workflowBundle: { codePath: options.bundle ?? BUNDLE },
    activities: options.activities,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASKS,
    maxConcurrentLocalActivityExecutions: LOCAL_ACTIVITIES,
    workflowTaskPollerBehavior: { type: 'autoscaling', minimum: 1, initial: 5, maximum: 20 },
    shutdownGraceTime: '3 seconds',
  });
}
