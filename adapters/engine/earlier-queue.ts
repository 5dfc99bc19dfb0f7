import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { EARLIER_TASK_QUEUE, subjectOf } from '../../workflows/messages.js';
import { createWorker, type OrchestratorOptions } from './worker.js';

/** A bridge of the version before may start a process there while versions are changed one by one. */
const LOOK_EVERY_MS = 10_000;
const PAGE = 500;

/** `isAnyOfOurs`: whether this service has one of these installations or rollouts. */
export interface EarlierQueueOptions {
  readonly worker: Omit<OrchestratorOptions, 'taskQueue'>;
  readonly isAnyOfOurs: (subjects: { installations: string[]; rollouts: string[] }) => Promise<boolean>;
  readonly log: Logger;
}

/**
 * Serves the queue that all services shared (workflows/messages.ts) for as long as an open process of this service is
 * on it, so that what began before an upgrade goes on after it. It never serves it otherwise: a service of before that
 * has the same namespace is still there, and one of the two would take the other's tasks.
 *
 * Modes: idle, where there is nothing to serve; serving, with a worker of its own on the connection of the other one.
 */
export class EarlierQueue {
  private readonly ending = new AbortController();
  private readonly looking: Promise<void>;

  constructor(
    private readonly connection: NativeConnection,
    private readonly options: EarlierQueueOptions,
  ) {
    this.looking = this.look();
  }

  /** Ends the worker, if there is one, and resolves when it has ended. */
  async end(): Promise<void> {
    this.ending.abort();
    await this.looking;
  }

  private async look(): Promise<void> {
    const { log } = this.options;
    while (!this.ending.signal.aborted) {
      try {
        if (await this.isNeeded()) await this.serve();
      } catch (error) {
        log.warn({ err: error }, 'whether a process is on the queue of before could not be seen; looking again');
      }
      await this.pause();
    }
  }

  /** Until none of our processes is on it any more. */
  private async serve(): Promise<void> {
    const { worker: options, log } = this.options;
    const worker = await createWorker({ ...options, taskQueue: EARLIER_TASK_QUEUE }, this.connection);
    log.info('processes of the version before are open: their queue is served, too');
    let isRunning = true;
    const running = worker.run().finally(() => (isRunning = false));
    // Awaited below; it may fail before.
    running.catch(() => undefined);
    try {
      while (isRunning && !this.ending.signal.aborted) {
        await this.pause();
        if (isRunning && !this.ending.signal.aborted && !(await this.isNeeded())) break;
      }
    } finally {
      if (isRunning) worker.shutdown();
      await running;
    }
    log.info('the queue of the version before is served no longer');
  }

  private async isNeeded(): Promise<boolean> {
    let nextPageToken: Uint8Array | undefined;
    do {
      const page = await this.connection.workflowService.listWorkflowExecutions({
        namespace: this.options.worker.namespace,
        query: `TaskQueue = '${EARLIER_TASK_QUEUE}' AND ExecutionStatus = 'Running'`,
        pageSize: PAGE,
        ...(nextPageToken ? { nextPageToken } : {}),
      });
      const subjects = page.executions.flatMap(({ execution }) => subjectOf(execution?.workflowId ?? '') ?? []);
      const idsOf = (kind: 'installation' | 'rollout') =>
        subjects.filter((one) => one.kind === kind).map(({ id }) => id);
      const ours = { installations: idsOf('installation'), rollouts: idsOf('rollout') };
      if (subjects.length > 0 && (await this.options.isAnyOfOurs(ours))) return true;
      nextPageToken = page.nextPageToken.length > 0 ? page.nextPageToken : undefined;
    } while (nextPageToken && !this.ending.signal.aborted);
    return false;
  }

  /** Ends early where it is told to end. */
  private async pause(): Promise<void> {
    const { signal } = this.ending;
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
