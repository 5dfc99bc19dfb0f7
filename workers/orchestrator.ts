import { randomUUID } from 'node:crypto';
import { Heartbeat } from '../store/db/heartbeat.js';
import { addCounts, PROCESS_FAILURES } from '../store/db/counters.js';
import { databaseNow } from '../store/db/clock.js';
import { isAnyOfOurs } from '../store/commands/known-processes.js';
import { openPool } from '../store/db/pool.js';
import { SchemaWatch } from '../store/db/schema-watch.js';
import { readServiceId } from '../store/db/service-id.js';
import { asService } from '../store/db/transaction.js';
import { serveProbes } from '../runtime/health/probes.js';
import { exitWithParent, onShutdown } from '../runtime/shutdown.js';
import { createLog } from '../runtime/log.js';
import { pauseUnless } from '../runtime/pause.js';
import { createActivities } from '../activities/index.js';
import { EarlierQueue } from '../adapters/engine/earlier-queue.js';
import { createOrchestrator, type Failed } from '../adapters/engine/worker.js';
import { readSettings, requireAddresses } from '../runtime/settings.js';
import { CounterBuffer } from '../runtime/counter-buffer.js';
import { temporalConnection } from '../runtime/temporal-connection.js';
import { taskQueueOf } from '../workflows/messages.js';

/**
 * The process that runs workflows and activities. Any number of them; each is nothing but a worker on the service's
 * task queue.
 */
const log = createLog('orchestrator');
const settings = readSettings();
requireAddresses(settings, 'temporalAddress');
const databaseUrl = settings.databaseUrls.orchestrator ?? requireAddresses(settings, 'databaseUrl').databaseUrl;
exitWithParent();

/** Local activities run at once up to their limit; a connection for every second of them keeps both cores busy. */
const pool = openPool({
  databaseUrl,
  name: 'orchestrator',
  max: 20,
  onError: (error) => log.warn({ err: error }, 'an idle connection to the database broke'),
});
onShutdown(() => pool.end(), { log });
const counters = new CounterBuffer((counts) => addCounts(pool, counts), log);
onShutdown(() => counters.end());

const CONNECT_AGAIN_MS = 500;

/** The engine may come later than this process, and may go: a worker that cannot go on is made anew. */
const ending = new AbortController();
onShutdown(() => ending.abort());
/** Ends the worker that runs now, when its work is done; registered once, however often the engine goes and comes. */
let leave: () => Promise<void> = async () => undefined;
const schema = new SchemaWatch(pool, log, () => void leave());
onShutdown(() => schema.end());
let isRunning = () => false;
await serveProbes(
  settings.probes,
  [
    { name: 'database', check: async () => void (await pool.query('SELECT 1')), decides: true },
    { name: 'schema', check: async () => schema.reason, decides: true, askedOf: 'database' },
    {
      name: 'worker',
      check: async () => (isRunning() ? undefined : 'does not run: it waits for the database or for Temporal'),
      decides: true,
    },
  ],
  log,
);
onShutdown(() => leave());

while (!ending.signal.aborted) {
  try {
    if (await schema.fits()) await work();
  } catch (error) {
    log.warn({ err: error }, 'the engine or the database does not answer; trying again');
  }
  await pauseUnless(ending.signal, CONNECT_AGAIN_MS);
}

/** Until the worker ends: the schema fits no longer, this process is to end, or the engine is gone. */
async function work(): Promise<void> {
  const options = {
    ...temporalConnection(settings),
    activities: createActivities({ pool, now: databaseNow }),
    log,
    failed: (reason: Failed) => counters.count(PROCESS_FAILURES, reason, 1),
  };
  const taskQueue = taskQueueOf(await asService(pool, readServiceId));
  const { worker, connection } = await createOrchestrator({ ...options, taskQueue });
  log.info({ taskQueue }, 'runs installations');
  const heartbeat = new Heartbeat(pool, 'orchestrator', randomUUID(), (error) =>
    log.warn({ err: error }, 'the heartbeat failed'),
  );
  const earlier = new EarlierQueue(connection, {
    worker: options,
    isAnyOfOurs: (subjects) => asService(pool, (tx) => isAnyOfOurs(tx, subjects)),
    log,
  });
  const ended = worker.run().finally(async () => {
    await Promise.all([heartbeat.end(), earlier.end()]);
    await connection.close();
  });
  isRunning = () => worker.getState() === 'RUNNING';
  leave = async () => {
    if (isRunning()) worker.shutdown();
    await ended;
  };
  // What came since the last look.
  if (schema.reason !== undefined || ending.signal.aborted) await leave();
  await ended;
}
