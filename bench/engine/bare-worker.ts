import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { tellParent } from '../child.js';
import type { FromBareWorker } from '../messages.js';
import { now } from '../wait.js';

/**
 * A worker with the orchestrator's settings and nothing to do: its activities only tell that they ran. Arguments:
 * address, task queue.
 */

const TELL_EVERY_MS = 5;
const [address = '', taskQueue = ''] = process.argv.slice(2);
const tell = (message: FromBareWorker) => tellParent(message);
const notified: [string, number][] = [];
let concluded = 0;
let reported = 0;

Runtime.install({ logger: new DefaultLogger('ERROR') });
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./bare-workflow.js', import.meta.url)),
  activities: {
    notify: async (id: string) => void notified.push([id, now()]),
    conclude: async () => void (concluded += 1),
  },
  maxCachedWorkflows: 2_000,
  // As adapters/engine/worker.ts has them.
  maxConcurrentWorkflowTaskExecutions: 100,
  maxConcurrentLocalActivityExecutions: 40,
  workflowTaskPollerBehavior: { type: 'autoscaling', minimum: 1, initial: 5, maximum: 20 },
  shutdownGraceTime: '1 second',
});
process.once('disconnect', () => worker.shutdown());
const telling = setInterval(() => {
  if (notified.length === 0 && concluded === reported) return;
  reported = concluded;
  tell({ said: 'progress', notified: notified.splice(0), concluded });
}, TELL_EVERY_MS);
tell({ said: 'ready' });
await worker.run();
clearInterval(telling);
await connection.close();
