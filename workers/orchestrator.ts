import { randomUUID } from 'node:crypto';
import { Heartbeat } from '../store/heartbeat.js';
import { PROCESS_FAILURES } from '../store/counters.js';
import { openPool } from '../store/pool.js';
import { exitWithParent, onShutdown } from './embedded/exit-with-parent.js';
import { createLog } from './log.js';
import { createOrchestrator } from './orchestrator-worker.js';
import { readSettings, requireAddresses } from './settings.js';
import { Tally } from './tally.js';
import { temporalConnection } from './temporal-connection.js';

/** The process that runs workflows and activities. Any number of them; each is nothing but a worker on the same task queue. */
const log = createLog('orchestrator');
const settings = readSettings();
const { databaseUrl } = requireAddresses(settings, 'databaseUrl', 'temporalAddress');
exitWithParent();

/** Local activities run at once up to their limit; a connection for every second of them keeps both cores busy. */
const pool = openPool({ databaseUrl, name: 'orchestrator', max: 20, onError: (error) => log.warn({ err: error }, 'an idle connection to the database broke') });
onShutdown(() => pool.end(), { log });
const tally = new Tally(pool, log);
onShutdown(() => tally.end());

const CONNECT_AGAIN_MS = 500;

/** The engine may come later than this process, and may go: a worker that cannot go on is made anew. */
let ending = false;
onShutdown(() => {
  ending = true;
});

while (!ending) {
  try {
    const { worker, connection } = await createOrchestrator({ ...temporalConnection(settings), pool, now: Date.now, log, failed: (reason) => tally.count(PROCESS_FAILURES, reason, 1) });
    log.info('runs installations');
    const heartbeat = new Heartbeat(pool, 'orchestrator', randomUUID(), (error) => log.warn({ err: error }, 'the heartbeat failed'));
    let running = true;
    onShutdown(async () => {
      if (!running) return;
      worker.shutdown();
      await ended;
    });
    const ended = worker.run().finally(async () => {
      running = false;
      await Promise.all([heartbeat.end(), connection.close()]);
    });
    await ended;
  } catch (error) {
    log.warn({ err: error }, 'the engine does not answer; trying again');
  }
  if (!ending) await new Promise((resolve) => setTimeout(resolve, CONNECT_AGAIN_MS));
}
